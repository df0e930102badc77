package host

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
)

// HTTPConfig is what a plugin may do over HTTP. Without an origin it may do nothing.
type HTTPConfig struct {
	// Origins are where requests may go to: "https://api.example.org", with a port where that is not the scheme's own.
	// "https://*.example.org" is every name below example.org, but not that itself.
	Origins []string `koanf:"origins"`
	// Methods are the methods that requests may have; none means those of defaultMethods.
	Methods []string `koanf:"methods"`
	// Addresses are those that connections may go to besides the public ones: "127.0.0.1:8080", "10.1.0.0/16:443",
	// "[fd00::/8]:443".
	Addresses []string `koanf:"addresses"`
	// Redirects is how many a request may follow, each to an allowed origin; 0 hands the redirect to the plugin.
	Redirects int `koanf:"redirects"`
	// MaxConcurrent bounds the plugin's requests at the same time. A call's first one waits for its place.
	MaxConcurrent int `koanf:"max_concurrent"`
	// MaxRequest bounds the body of a request.
	MaxRequest units.Base2Bytes `koanf:"max_request"`
	// MaxResponse bounds the body of a response, after decompression.
	MaxResponse units.Base2Bytes `koanf:"max_response"`
	// MaxHeaders bounds the header of a request, and that of a response.
	MaxHeaders units.Base2Bytes `koanf:"max_headers"`
	// Timeout bounds a request from its place to the end of its response. The call's own deadline holds besides.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultHTTP returns the defaults of HTTPConfig.
func DefaultHTTP() HTTPConfig {
	return HTTPConfig{
		Origins: []string{}, Methods: []string{}, Addresses: []string{}, MaxConcurrent: 64,
		MaxRequest: units.MiB, MaxResponse: 8 * units.MiB, MaxHeaders: 64 * units.KiB, Timeout: 30 * time.Second,
	}
}

func defaultMethods() []string { return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} }

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *HTTPConfig) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s "+format, append([]any{key}, args...)...))
		}
	}
	for _, s := range c.Origins {
		_, err := parseOrigin(s)
		check(err == nil, "origins", "%w", err)
	}
	for _, m := range c.Methods {
		check(isMethod(m), "methods", `holds %q; write methods such as "GET" in upper case; CONNECT and TRACE can't be allowed`, m)
	}
	for _, s := range c.Addresses {
		_, err := parseAddress(s)
		check(err == nil, "addresses", "%w", err)
	}
	check(c.Redirects >= 0 && c.Redirects <= 20, "redirects", "is %d; write 0 (none is followed) to 20", c.Redirects)
	check(c.MaxConcurrent >= 1 && c.MaxConcurrent <= 100_000, "max_concurrent", "is %d; write 1 to 100000", c.MaxConcurrent)
	check(c.MaxRequest >= 0 && c.MaxRequest <= 32*units.MiB, "max_request", `is %v; write "0B" to "32MiB"`, c.MaxRequest)
	check(c.MaxResponse >= units.KiB && c.MaxResponse <= units.GiB, "max_response", `is %v; write "1KiB" to "1GiB"`, c.MaxResponse)
	check(c.MaxHeaders >= units.KiB && c.MaxHeaders <= 16*units.MiB, "max_headers", `is %v; write "1KiB" to "16MiB"`, c.MaxHeaders)
	check(c.Timeout >= time.Millisecond && c.Timeout <= 24*time.Hour, "timeout", `is %v; write "1ms" to "24h"`, c.Timeout)
	return errors.Join(errs...)
}

// isMethod tells whether an operator may allow the method. CONNECT makes a tunnel and TRACE shows what was added.
func isMethod(m string) bool {
	return m != "CONNECT" && m != "TRACE" && isToken(m) && m == strings.ToUpper(m)
}

// isToken tells whether s can be a method or the name of a header field (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// origin is where requests may go to.
type origin struct {
	scheme string
	host   string // in lower case; that of a wildcard begins with a dot
	port   string
}

// parseOrigin reads an origin of the operator's.
func parseOrigin(s string) (origin, error) {
	u, err := url.Parse(strings.Replace(s, "://*.", "://", 1))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return origin{}, fmt.Errorf(`holds %q; write a scheme and a host, such as "https://api.example.org" or "https://*.example.org"`, s)
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "#") {
		return origin{}, fmt.Errorf("holds %q; write only the scheme, the host and its port", s)
	}
	o, err := originOf(u)
	if err != nil {
		return origin{}, fmt.Errorf("holds %q, whose host %w", s, err)
	}
	if strings.Contains(s, "://*.") {
		if _, err := netip.ParseAddr(o.host); err == nil || !strings.Contains(o.host, ".") {
			return origin{}, fmt.Errorf(`holds %q, which is too wide; write at least two names behind the star, such as "https://*.example.org"`, s)
		}
		o.host = "." + o.host
	}
	return o, nil
}

// originOf returns a URL's origin in its one spelling. Its error follows the words "whose host".
func originOf(u *url.URL) (origin, error) {
	o := origin{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if addr, err := netip.ParseAddr(o.host); err == nil {
		if addr.Zone() != "" {
			return origin{}, errors.New("is an address with a zone")
		}
		o.host = addr.String()
		return o, nil
	}
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}
	switch {
	case o.host == "":
		return origin{}, errors.New("is empty")
	case strings.ContainsFunc(u.Hostname(), odd): // as it was written: the Kelvin sign's lower case is a plain k
		return origin{}, errors.New("is not made of letters, digits, - and dots; write other letters in punycode")
	case strings.HasPrefix(o.host, ".") || strings.HasSuffix(o.host, ".") || strings.Contains(o.host, ".."):
		return origin{}, errors.New("has a dot at its beginning or end, or two in a row")
	}
	return o, nil
}

// covers tells whether the origin, which may be a wildcard, allows the other one, which is none.
func (o origin) covers(other origin) bool {
	if o.scheme != other.scheme || o.port != other.port {
		return false
	}
	if !strings.HasPrefix(o.host, ".") {
		return o.host == other.host
	}
	if _, err := netip.ParseAddr(other.host); err == nil {
		return false
	}
	return strings.HasSuffix(other.host, o.host)
}

func anyCovers(origins []origin, other origin) bool {
	return slices.ContainsFunc(origins, func(o origin) bool { return o.covers(other) })
}

// String spells the origin as the operator does.
func (o origin) String() string {
	host := o.host
	switch {
	case strings.HasPrefix(host, "."):
		host = "*" + host
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	if o.port == map[string]string{"http": "80", "https": "443"}[o.scheme] {
		return o.scheme + "://" + host
	}
	return o.scheme + "://" + host + ":" + o.port
}

// parseOrigins reads origins that Validate has passed.
func parseOrigins(all []string) []origin {
	origins := make([]origin, 0, len(all))
	for _, s := range all {
		if o, err := parseOrigin(s); err == nil {
			origins = append(origins, o)
		}
	}
	return origins
}
