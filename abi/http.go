package abi

import "time"

// Request is what a guest asks http_open for. What it may ask is for the host to say, by the operator's policy; here
// it is only well-formed.
type Request struct {
	// Method is the request's method, such as "POST"; empty where the guest leaves it to the host, which takes GET.
	Method string
	// URL is absolute.
	URL string
	// Headers are the request's header fields, in the order of the document.
	Headers []Header
	// Body is what is sent; nil for a request without one.
	Body []byte
	// Timeout is how long the request may take with all of its response; zero leaves it to the operator.
	Timeout time.Duration
	// Secrets are the ids of the operator's secrets that the host is to put into the request.
	Secrets []string
}

// Header is one field of a request's header.
type Header struct {
	// Name and Value are as the guest wrote them.
	Name, Value string
}
