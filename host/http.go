package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Causes by which a request that has ended is told from one whose call has.
var (
	errRequestTimeout = errors.New("the request's timeout has passed")
	errRequestClosed  = errors.New("the request was closed")
	errStalled        = errors.New("the server does not read what it is sent")
)

// refusal is why a request is not made, or has failed: the number for the guest, and one line for its author.
type refusal struct {
	errno abi.Errno
	text  string
}

// Error is the line.
func (r *refusal) Error() string { return r.text }

func refuse(errno abi.Errno, format string, args ...any) *refusal {
	return &refusal{errno, fmt.Sprintf(format, args...)}
}

// egress is a plugin's way to the network: the operator's policy, the connections, and the secrets that are put into
// requests behind the plugin's back. It is safe for concurrent use.
type egress struct {
	plugin    string
	cfg       HTTPConfig
	origins   []origin
	hosts     []origin // that the plugin's manifest asks for; nil where it says nothing of them
	methods   []string
	secrets   map[string]*secret
	places    *semaphore.Weighted
	transport http.RoundTripper
	handles   atomic.Uint32
	rooms     sync.Pool // of *readRoom: what responses are read into

	life context.Context // ended by close, and every connection with it
	end  context.CancelFunc
}

// newEgress reads the plugin's secrets and prepares its connections, none of which is made yet. Its error begins with
// the key of the secret that can't be read.
func (h *Host) newEgress(plugin string, cfg *PluginConfig, hosts []origin) (*egress, error) {
	e := &egress{
		plugin: plugin, cfg: cfg.HTTP, origins: parseOrigins(cfg.HTTP.Origins), hosts: hosts, methods: cfg.HTTP.Methods,
		secrets: map[string]*secret{}, places: semaphore.NewWeighted(int64(cfg.HTTP.MaxConcurrent)),
	}
	if len(e.methods) == 0 {
		e.methods = defaultMethods()
	}
	for id, c := range cfg.Secrets {
		s, err := loadSecret(id, c)
		if err != nil {
			return nil, fmt.Errorf("plugins.%s.secrets.%s: %w", plugin, id, err)
		}
		e.secrets[id] = s
	}
	e.life, e.end = context.WithCancel(context.Background())
	if e.transport = h.transport; e.transport == nil {
		e.transport = e.newTransport(h)
	}
	return e, nil
}

// nextHandle returns a number that no other request of the plugin has had for a long time, so that what a guest has kept
// of an earlier call is no handle of this one. It is positive as an i32.
func (e *egress) nextHandle() uint32 {
	for {
		if n := e.handles.Add(1) & math.MaxInt32; n != 0 {
			return n
		}
	}
}

// close ends the connections. No call may be running any more.
func (e *egress) close() {
	e.end()
	if t, ok := e.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// check holds a request, or a redirect, against the policy. What a name resolves to is checked when it is dialled.
func (e *egress) check(method string, u *url.URL) error {
	if len(e.origins) == 0 {
		return refuse(abi.ErrnoDenied, "plugins.%s.http.origins allows nothing", e.plugin)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" {
		return refuse(abi.ErrnoInvalid, "the URL is not one of http:// and https://")
	}
	if u.User != nil {
		return refuse(abi.ErrnoInvalid, "the URL has a user or password in it; write a header instead")
	}
	o, err := originOf(u)
	switch {
	case err != nil:
		return refuse(abi.ErrnoInvalid, "the URL's host %v", err)
	case strings.ContainsRune(u.RawQuery, ' '): // it would go out as it is, and end the request's target
		return refuse(abi.ErrnoInvalid, "the URL's query has a space in it; write %%20")
	case !anyCovers(e.origins, o):
		return refuse(abi.ErrnoDenied, "%v is not in plugins.%s.http.origins", o, e.plugin)
	case e.hosts != nil && !anyCovers(e.hosts, o):
		return refuse(abi.ErrnoDenied, "%v is not among the hosts that the plugin's manifest asks for", o)
	case !slices.Contains(e.methods, method):
		return refuse(abi.ErrnoDenied, "the method %s is not in plugins.%s.http.methods", oneLine(method), e.plugin)
	}
	return nil
}

// prepared is a request that has passed the policy as far as that can be told before it is sent.
type prepared struct {
	request *http.Request
	secrets []*secret
	timeout time.Duration
	met     []origin // where it has been sent so far: one, and those of redirects
}

// prepare checks what a guest asks for.
func (e *egress) prepare(ask abi.Request) (*prepared, error) {
	if ask.Method == "" {
		ask.Method = http.MethodGet
	}
	if len(ask.URL) > abi.MaxURLBytes {
		return nil, refuse(abi.ErrnoLimit, "the URL has %d bytes; %d are allowed", len(ask.URL), abi.MaxURLBytes)
	}
	r, err := http.NewRequest(ask.Method, ask.URL, nil)
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return nil, refuse(abi.ErrnoInvalid, "the URL is malformed: %s", oneLine(outer.Err.Error()))
	}
	if err != nil {
		return nil, refuse(abi.ErrnoInvalid, "the request is malformed: %s", oneLine(err.Error()))
	}
	if err := e.check(ask.Method, r.URL); err != nil {
		return nil, err
	}
	if len(ask.Body) > int(e.cfg.MaxRequest) {
		return nil, refuse(abi.ErrnoLimit, "the body has %d bytes; plugins.%s.http.max_request allows %v", len(ask.Body), e.plugin, e.cfg.MaxRequest)
	}
	if ask.Body != nil {
		r.ContentLength = int64(len(ask.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(ask.Body)), nil }
		r.Body, _ = r.GetBody()
	}
	if r.Header, err = e.headers(ask.Headers); err != nil {
		return nil, err
	}
	p := &prepared{request: r, timeout: e.cfg.Timeout}
	if ask.Timeout > 0 {
		p.timeout = min(p.timeout, ask.Timeout)
	}
	return p, e.chooseSecrets(p, ask.Secrets)
}

// isHostsHeader tells whether a header field says how the connection is used, which is the host's affair. What a
// server has compressed could not be measured and redacted unless the host itself decompresses it.
func isHostsHeader(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect", "Accept-Encoding":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

func (e *egress) headers(ask []abi.Header) (http.Header, error) {
	h, size := http.Header{"User-Agent": {"sgstreamd"}}, 0
	own := map[string]bool{}
	for _, f := range ask {
		name := http.CanonicalHeaderKey(f.Name)
		// What is not ASCII is for server and plugin to agree on; control characters would end the field.
		control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
		switch {
		case !isToken(f.Name):
			return nil, refuse(abi.ErrnoInvalid, "a header field's name is malformed: %.100q", f.Name)
		case strings.ContainsFunc(f.Value, control):
			return nil, refuse(abi.ErrnoInvalid, "the header field %s has a line break or control character in it", oneLine(name))
		case isHostsHeader(name):
			return nil, refuse(abi.ErrnoDenied, "the header field %s is the host's to set", name)
		}
		if size += len(f.Name) + len(f.Value) + len(": \r\n"); size > int(e.cfg.MaxHeaders) {
			return nil, refuse(abi.ErrnoLimit, "the header has more than the %v of plugins.%s.http.max_headers", e.cfg.MaxHeaders, e.plugin)
		}
		if !own[name] {
			h.Del(name)
			own[name] = true
		}
		h.Add(name, f.Value)
	}
	return h, nil
}

// chooseSecrets finds the secrets that the guest names, and checks that each may go where the request goes.
func (e *egress) chooseSecrets(p *prepared, ids []string) error {
	to, err := originOf(p.request.URL)
	if err != nil {
		return refuse(abi.ErrnoInvalid, "the URL's host %v", err)
	}
	taken := map[string]bool{}
	for _, id := range ids {
		s := e.secrets[id]
		switch {
		case s == nil:
			return refuse(abi.ErrnoDenied, "there is no secret plugins.%s.secrets.%s", e.plugin, oneLine(id))
		case !s.mayGoTo(to):
			return refuse(abi.ErrnoDenied, "%v is not in plugins.%s.secrets.%s.origins", to, e.plugin, id)
		case s.header == "" && !s.isAskedFor(p.request):
			return refuse(abi.ErrnoInvalid, "the URL's path does not hold {%s}, which stands for the secret", id)
		case taken[s.header+"\n"+id], s.header != "" && taken[s.header], s.header != "" && p.request.Header[s.header] != nil && s.header != "User-Agent":
			return refuse(abi.ErrnoInvalid, "the secret %s is named twice, or its header field %s is set by something else, too", id, s.header)
		}
		taken[s.header], taken[s.header+"\n"+id] = true, true
		p.secrets = append(p.secrets, s)
	}
	return nil
}

// echoed returns how the secrets are spelt that those servers may have been sent, now or before. No other secret is
// looked for: what is held back as the possible beginning of one would tell a plugin, at a server that it has chosen, how
// the secret begins.
func (e *egress) echoed(met []origin) forms {
	var known []*secret
	for _, s := range e.secrets {
		if slices.ContainsFunc(met, s.mayGoTo) {
			known = append(known, s)
		}
	}
	return formsOf(known)
}

// do sends a request and returns when its head has arrived. The context bounds the reading of the body, too.
func (e *egress) do(ctx context.Context, p *prepared) (*http.Response, error) {
	r := p.request.WithContext(context.WithValue(ctx, requestKey{}, ctx))
	first, err := originOf(r.URL)
	if err != nil {
		return nil, err
	}
	h := hop{egress: e, prepared: p, first: first}
	if e.cfg.Redirects == 0 {
		return h.RoundTrip(r)
	}
	client := http.Client{Transport: &h, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > e.cfg.Redirects {
			return refuse(abi.ErrnoLimit, "there are more redirects than the %d of plugins.%s.http.redirects", e.cfg.Redirects, e.plugin)
		}
		return nil
	}}
	response, err := client.Do(r)
	if err != nil {
		return nil, err // a redirect that was refused has a response, too, but no body
	}
	return response, nil
}

// hop sends one request, and those that it is redirected to. Every one of them has to pass the policy.
type hop struct {
	egress   *egress
	prepared *prepared
	first    origin // where the guest sent the request
	left     bool   // a redirect has led elsewhere
}

// RoundTrip implements http.RoundTripper. The secrets go where the guest sent the request, and nowhere else. They do not
// come back with a redirect from elsewhere: what it asks for in their name is neither the guest's nor the server's word.
func (h *hop) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := h.egress.check(r.Method, r.URL); err != nil {
		return nil, err
	}
	to, err := originOf(r.URL)
	if err != nil {
		return nil, err
	}
	h.prepared.met = append(h.prepared.met, to)
	sent := r.Clone(r.Context())
	sent.Header.Del("Referer") // of a redirect; it could tell more than the plugin wants
	if h.left = h.left || to != h.first; !h.left {
		for _, s := range h.prepared.secrets {
			if err := s.put(sent); err != nil {
				return nil, err
			}
		}
	}
	response, err := h.egress.transport.RoundTrip(sent)
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the bare connection, which no context ends.
		_ = response.Body.Close()
		return nil, refuse(abi.ErrnoUnavailable, "the server switches to another protocol, which it was not asked for")
	}
	return response, err
}
