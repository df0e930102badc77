package host

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/sgstreamd/sgstreamd/abi"
)

// grantedAddress is a range of addresses, with a port, that the operator allows besides the public ones.
type grantedAddress struct {
	prefix netip.Prefix
	port   uint16
}

// parseAddress reads an entry of HTTPConfig.Addresses.
func parseAddress(s string) (grantedAddress, error) {
	wrong := fmt.Errorf(`holds %q; write an address and a port, such as "127.0.0.1:8080", "10.1.0.0/16:443" or "[fd00::/8]:443"`, s)
	at := strings.LastIndexByte(s, ':')
	if at < 0 {
		return grantedAddress{}, wrong
	}
	port, err := strconv.ParseUint(s[at+1:], 10, 16)
	if err != nil || port == 0 {
		return grantedAddress{}, wrong
	}
	text, bracketed := strings.CutPrefix(s[:at], "[")
	if bracketed {
		if text, bracketed = strings.CutSuffix(text, "]"); !bracketed {
			return grantedAddress{}, wrong
		}
	}
	prefix, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil || prefix.Addr().Is4() == bracketed || prefix.Addr().Is4In6() {
		return grantedAddress{}, wrong
	}
	return grantedAddress{prefix.Masked(), uint16(port)}, nil
}

// specialAddresses are the ranges that are no public server's, with what they are called in an error. They follow
// IANA's special-purpose registries (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry). What wraps an IPv4 address stands there as a whole:
// behind it may be any of the others.
func specialAddresses() map[netip.Prefix]string {
	special := map[netip.Prefix]string{}
	for what, ranges := range map[string][]string{
		"unspecified or of this network":  {"0.0.0.0/8", "::/128"},
		"private":                         {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"},
		"shared by carriers (CGNAT)":      {"100.64.0.0/10"},
		"loopback":                        {"127.0.0.0/8", "::1/128"},
		"link-local":                      {"169.254.0.0/16", "fe80::/10"},
		"a cloud's metadata":              {"168.63.129.16/32", "169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "fd00:ec2::/32"},
		"reserved":                        {"192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23", "5f00::/16", "100::/64", "100:0:0:1::/64"},
		"for documentation or benchmarks": {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32", "3fff::/20", "2001:2::/48"},
		"multicast or broadcast":          {"224.0.0.0/4", "255.255.255.255/32", "ff00::/8"},
		"an IPv4 address in NAT64":        {"64:ff9b::/96", "64:ff9b:1::/48"},
		"an IPv4 address in IPv6":         {"::ffff:0:0:0/96", "::/96"},
		"an IPv4 address in 6to4":         {"2002::/16"},
		"an IPv4 address in Teredo":       {"2001::/32"},
	} {
		for _, r := range ranges {
			special[netip.MustParsePrefix(r)] = what
		}
	}
	return special
}

// addressPolicy says which addresses may be dialled.
type addressPolicy struct {
	plugin  string
	granted []grantedAddress
	special map[netip.Prefix]string
}

func newAddressPolicy(plugin string, granted []string) *addressPolicy {
	p := &addressPolicy{plugin: plugin, special: specialAddresses()}
	for _, s := range granted {
		if g, err := parseAddress(s); err == nil {
			p.granted = append(p.granted, g)
		}
	}
	return p
}

// control is a net.Dialer's: it sees the address that is about to be dialled, whatever the name resolved to before.
func (p *addressPolicy) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusal{abi.ErrnoDenied, "the address " + oneLine(address) + " is not understood"}
	}
	// An address with a zone is in no prefix, and one of IPv4 that is mapped to IPv6 in none of IPv4.
	addr := to.Addr().WithZone("").Unmap()
	for _, g := range p.granted {
		if g.port == to.Port() && g.prefix.Contains(addr) {
			return nil
		}
	}
	what := p.describe(addr)
	if what == "" {
		return nil
	}
	return &refusal{abi.ErrnoDenied, fmt.Sprintf("the address %s is %s, and is not in plugins.%s.http.addresses",
		netip.AddrPortFrom(addr, to.Port()), what, p.plugin)}
}

// describe says in what way an address is special, by the narrowest range; it is empty for a public one. What of IPv6
// is not assigned to anybody is nobody's public server.
func (p *addressPolicy) describe(addr netip.Addr) string {
	what, bits := "", -1
	for prefix, text := range p.special {
		if prefix.Contains(addr) && prefix.Bits() > bits {
			what, bits = text, prefix.Bits()
		}
	}
	if what == "" && addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return "not assigned"
	}
	return what
}
