package consumer

import (
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// errNotRedisURL says what redis.url may be. It does not repeat what it is, which may hold a password.
var errNotRedisURL = errors.New(`is not a Redis URL; write "redis://host:6379/0", "redis+sentinel://host:26379,host:26379/primary", ` +
	`"redis+cluster://host:6379,host:6379", "rediss…" for TLS, "unix:///path/to.sock" or "embedded"`)

// topology is how the servers behind a URL stand to each other.
type topology int

const (
	oneServer topology = iota
	sentinels          // they know which server is the primary
	cluster            // each serves a part of the slots
)

// address is what a Redis URL says.
type address struct {
	topology topology
	// server is set where there is one server only. Of what is below, tls is, too, and is the same as its own.
	server *redis.Options

	tls                *tls.Config // nil without TLS
	username, password string
	hosts              []string // host:port of sentinels, or of any nodes of the cluster

	// The rest is said for sentinels only.
	primary                            string // what the sentinels call it
	db                                 int
	sentinelUsername, sentinelPassword string
}

// parseAddress reads a Redis URL other than Embedded. The error is one line that goes on after the key's name, and
// repeats nothing that may be a password.
func parseAddress(text string) (address, error) {
	scheme, _, _ := strings.Cut(text, "://")
	kind, secured := topologyOf(scheme)
	if kind == oneServer {
		o, err := redis.ParseURL(text)
		if err != nil {
			return address{}, errNotRedisURL
		}
		return address{server: o, tls: o.TLSConfig}, nil
	}
	u, hosts, err := splitURL(text)
	if err != nil {
		return address{}, errNotRedisURL
	}
	a := address{topology: kind, username: u.User.Username()}
	a.password, _ = u.User.Password()
	if secured {
		// It names no server: each must have a certificate for the address that it is reached at.
		a.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	defaultPort := "6379"
	if kind == sentinels {
		defaultPort = "26379"
	}
	for _, h := range hosts {
		name, port := h.Hostname(), orElse(h.Port(), defaultPort)
		if strings.Contains(name, ":") && !strings.HasPrefix(h.Host, "[") {
			return address{}, errNotRedisURL
		}
		if name == "" {
			return address{}, errors.New("names a host without a name; write host:port, with commas between hosts")
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, port))
	}
	if u.Fragment != "" {
		return address{}, errors.New(`has a "#"; write it as "%23" if it belongs to a name or password`)
	}
	if kind == cluster {
		return a, refuseMore(u)
	}
	if err := a.readPrimary(u.Path); err != nil {
		return address{}, err
	}
	return a, a.readQuery(u.RawQuery)
}

// topologyOf is what a URL's scheme says, and whether it says TLS.
func topologyOf(scheme string) (topology, bool) {
	switch scheme {
	case "redis+sentinel", "rediss+sentinel":
		return sentinels, scheme == "rediss+sentinel"
	case "redis+cluster", "rediss+cluster":
		return cluster, scheme == "rediss+cluster"
	}
	return oneServer, false
}

// splitURL parses a URL whose hosts are separated by commas. The first result has the first of them.
func splitURL(text string) (*url.URL, []*url.URL, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	at := strings.LastIndex(authority, "@") + 1
	names := strings.Split(authority[at:], ",")
	u, err := url.Parse(scheme + "://" + authority[:at] + names[0] + tail)
	if err != nil {
		return nil, nil, err
	}
	hosts := []*url.URL{u}
	for _, name := range names[1:] {
		h, err := url.Parse("//" + name)
		if err != nil {
			return nil, nil, err
		}
		hosts = append(hosts, h)
	}
	return u, hosts, nil
}

// primaryName is what Sentinel takes for a primary's name.
var primaryName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// readPrimary reads the path of a sentinel URL: the primary's name, and its database.
func (a *address) readPrimary(path string) error {
	name, db, hasDB := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !primaryName.MatchString(name) {
		return errors.New(`names no primary; write "redis+sentinel://host:26379/primary", with the name that is in the sentinels' configuration`)
	}
	a.primary = name
	if !hasDB {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 31)
	if err != nil {
		return errors.New(`has no number behind the primary's name; write "redis+sentinel://host:26379/primary/0", or leave the database out`)
	}
	a.db = int(n)
	return nil
}

// readQuery reads what a sentinel URL says behind its question mark.
func (a *address) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has a query that can't be read; escape & as %26 and % as %25 in passwords")
	}
	known := map[string]*string{"sentinel_username": &a.sentinelUsername, "sentinel_password": &a.sentinelPassword}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		into := known[name]
		if into == nil || len(values[name]) > 1 {
			// A name may be a piece of a password whose & was not escaped.
			return errors.New("has a query that is not understood; it may hold sentinel_username and sentinel_password, each once")
		}
		*into = values[name][0]
	}
	return nil
}

// refuseMore refuses what a cluster URL has no use for.
func refuseMore(u *url.URL) error {
	switch {
	case u.Path != "" && u.Path != "/" && u.Path != "/0":
		return errors.New("names a database; a Cluster has only 0: leave it out")
	case u.RawQuery != "":
		return errors.New(`has a "?"; nothing may follow a Cluster's hosts`)
	}
	return nil
}

// RedactedURL is a Redis URL without its passwords. Embedded, and what holds none, is itself; what is no Redis URL is
// left out as a whole.
func RedactedURL(text string) string {
	const hidden = "xxxxx"
	if text == Embedded {
		return text
	}
	a, err := parseAddress(text)
	if err != nil {
		return hidden
	}
	u, hosts, err := splitURL(text)
	switch {
	case err != nil:
		return hidden
	case a.topology == oneServer:
		return u.Redacted()
	}
	if a.password != "" {
		u.User = url.UserPassword(a.username, hidden)
	}
	names := make([]string, 0, len(hosts))
	for _, h := range hosts {
		names = append(names, h.Host)
	}
	u.Host = strings.Join(names, ",")
	query := u.Query()
	if query.Has("sentinel_password") {
		query.Set("sentinel_password", hidden)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
