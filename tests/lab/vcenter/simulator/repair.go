package main

import (
	"net/url"
	"regexp"
)

// What suds writes and the simulator's strict XML decoder refuses. A real vCenter
// takes both.
var (
	zonelessTime    = regexp.MustCompile(`(>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)</`)
	wholeNumberReal = regexp.MustCompile(`(<(?:[\w-]+:)?(?:capacityKb|newCapacityKb|capacityInKB)\b[^>]*>\d+)\.0+</`)
)

// repairBody rewrites a SOAP request so that it can be decoded: a dateTime without a
// zone is UTC, and a count of kilobytes that was computed as a float is an integer.
func repairBody(body []byte) []byte {
	body = zonelessTime.ReplaceAll(body, []byte("${1}Z</"))
	return wholeNumberReal.ReplaceAll(body, []byte("${1}</"))
}

// repairQuery points file transfers at the one datacenter. A host addressed directly
// calls its own datacenter "ha-datacenter"; here the vCenter answers for its hosts.
func repairQuery(query url.Values) url.Values {
	if query.Get("dcPath") == "ha-datacenter" {
		query.Set("dcPath", "DC0")
	}
	return query
}
