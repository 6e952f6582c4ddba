"""The documentation is tested: links, examples, outputs, generated pages."""
