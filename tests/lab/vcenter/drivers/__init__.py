"""OpenStack's real VMware drivers without a cloud around them, for the tests of the simulator.

Each program runs inside the lab's image, where nova and cinder are installed, and does what a test asks
for over standard input and output. What is not the driver (image service, database) is a value.
"""
