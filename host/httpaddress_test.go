package host

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// resolverOf is a resolver whose only server answers the nth question for an IPv4 address, counted from 0, with those
// of answers, and every other question with nothing.
func resolverOf(t *testing.T, answers func(n int) []string) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	var asked atomic.Int64
	go func() {
		defer close(done)
		question := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			var found []string
			if at := endOfName(question[:n], 12); binary.BigEndian.Uint16(question[at:]) == 1 {
				found = answers(int(asked.Add(1)) - 1)
			}
			_, _ = conn.WriteTo(dnsAnswer(question[:n], found), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// endOfName returns where a name ends that begins at b[at].
func endOfName(b []byte, at int) int {
	for b[at] != 0 {
		at += 1 + int(b[at])
	}
	return at + 1
}

// dnsAnswer is the answer to a question (RFC 1035, 4.1), with addresses that are not to be kept.
func dnsAnswer(question []byte, addresses []string) []byte {
	end := endOfName(question, 12) + 4
	a := append([]byte{}, question[:end]...)
	a[2], a[3] = 0x81, 0x80 // a response, recursion available, no error
	binary.BigEndian.PutUint16(a[6:], uint16(len(addresses)))
	clear(a[8:12])
	for _, s := range addresses {
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		a = append(a, netip.MustParseAddr(s).AsSlice()...)
	}
	return a
}

func TestWhichAddressesAreDialled(t *testing.T) {
	t.Parallel()
	p := newAddressPolicy("p", []string{"127.0.0.1:8080", "10.1.0.0/16:443", "[fd00::/8]:443", "[::1]:80"})
	for address, what := range map[string]string{
		"8.8.8.8:443": "", "1.1.1.1:80": "", "[2606:4700::1111]:443": "", "[2001:4860:4860::8888]:443": "",
		"127.0.0.1:8080": "", "10.1.255.255:443": "", "[fd12::1]:443": "", "[::1]:80": "", "[::ffff:127.0.0.1]:8080": "",
		"127.0.0.1:8081": "loopback", "127.255.0.1:80": "loopback", "[::1]:443": "loopback", "[::ffff:127.0.0.1]:443": "loopback",
		"10.2.0.1:443": "private", "172.31.255.255:443": "private", "192.168.0.1:443": "private", "[fd12::1]:80": "private", "[fec0::1]:1": "private",
		"0.0.0.0:80": "unspecified or of this network", "0.1.2.3:80": "unspecified or of this network", "[::]:80": "unspecified or of this network",
		"100.64.0.1:443": "shared by carriers (CGNAT)", "100.127.255.255:443": "shared by carriers (CGNAT)",
		"169.254.1.1:80": "link-local", "[fe80::1]:80": "link-local", "[fe80::1%lo]:80": "link-local",
		"169.254.169.254:80": "a cloud's metadata", "100.100.100.200:80": "a cloud's metadata", "168.63.129.16:80": "a cloud's metadata",
		"[fd00:ec2::254]:80": "a cloud's metadata", "[::ffff:169.254.169.254]:80": "a cloud's metadata", "192.0.0.192:80": "reserved",
		"224.0.0.1:80": "multicast or broadcast", "[ff02::1]:80": "multicast or broadcast", "255.255.255.255:80": "multicast or broadcast",
		"240.0.0.1:80": "reserved", "192.88.99.1:80": "reserved", "198.18.0.1:80": "for documentation or benchmarks",
		"[64:ff9b::7f00:1]:80": "an IPv4 address in NAT64", "[64:ff9b::808:808]:80": "an IPv4 address in NAT64", "[64:ff9b:1::1]:80": "an IPv4 address in NAT64",
		"[::127.0.0.1]:80": "an IPv4 address in IPv6", "[::ffff:0:127.0.0.1]:80": "an IPv4 address in IPv6",
		"[2002:7f00:1::]:80": "an IPv4 address in 6to4", "[2001::1]:80": "an IPv4 address in Teredo",
		"[2001:db8::1]:80": "for documentation or benchmarks", "[2001:10::1]:80": "reserved", "[4000::1]:80": "not assigned",
	} {
		err := p.control("tcp", address, nil)
		if what == "" {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, " is "+what+", and is not in plugins.p.http.addresses", address)
	}
	require.Error(t, p.control("tcp", "name.example:80", nil))
}

func TestGrantedAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "localhost:80", "::1:80", "[::1:80", "::1]:80",
		"[127.0.0.1]:80", "10.0.0.0/33:80", "[fe80::1%lo]:80", "[::ffff:10.0.0.1]:80", "*:80", "127.1:80", "0177.0.0.1:80",
	} {
		_, err := parseAddress(s)
		require.Error(t, err, s)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestOriginsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "api.example.org", "*", "https://", "https://*", "https://*.org", "https://*.127.0.0.1", "https://a.*.example.org", "ftp://a.example",
		"https://a.example/", "https://a.example/x", "https://a.example?", "https://a.example#", "https://u@a.example", "https://a.example.",
		"https://ä.example", "https://a..example", "https://[fe80::1%25lo]", "https://a.example:x", "https://a b.example", "https://\u212a.example", "HTTPS//a.example",
	} {
		c := HTTPConfig{Origins: []string{s}}
		require.ErrorContains(t, c.Validate(), "origins holds ", s)
	}
	for s, want := range map[string]string{
		"https://A.Example.org": "https://a.example.org", "https://a.example:443": "https://a.example", "http://a.example:443": "http://a.example:443",
		"https://*.example.org:8443": "https://*.example.org:8443", "https://[::1]:8443": "https://[::1]:8443", "https://[0:0::1]": "https://[::1]", "http://localhost:80": "http://localhost",
	} {
		o, err := parseOrigin(s)
		require.NoError(t, err)
		require.Equal(t, want, o.String())
	}
}
