package host

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Grant is what a module asks for and the operator's configuration grants, in the words of its manifest, so that it can
// be held against what another version of it asks for.
type Grant struct {
	// Hosts are the hosts of its manifest; nil, for any that the configuration allows, where that says nothing of them
	// and the module can make requests.
	Hosts []string `json:"hosts"`
	// Secrets are the ids of the secrets that it uses where it gets them; nil, for any that the configuration has for
	// it, where its manifest says nothing of them and the module can make requests.
	Secrets []string `json:"secrets"`
	// State tells whether it keeps state.
	State bool `json:"state"`
	// Memory is what an instance needs at least, in bytes; 0 where it does not say.
	Memory int64 `json:"memory"`
	// Timeout is what a call needs at least, in milliseconds; 0 where it does not say.
	Timeout int64 `json:"timeout_ms"`
}

// Beyond says in words what g holds that the other grant does not; nothing where it holds no more.
func (g Grant) Beyond(other Grant) []string {
	more := listBeyond("host", "any host that the configuration allows", g.Hosts, other.Hosts)
	more = append(more, listBeyond("secret", "any secret that the configuration has for it", g.Secrets, other.Secrets)...)
	if g.State && !other.State {
		more = append(more, "to keep state")
	}
	if g.Memory > other.Memory {
		more = append(more, fmt.Sprintf("memory of %v", units.Base2Bytes(g.Memory)))
	}
	if g.Timeout > other.Timeout {
		more = append(more, fmt.Sprintf("a timeout of %v", time.Duration(g.Timeout)*time.Millisecond))
	}
	return more
}

func listBeyond(what, all string, mine, others []string) []string {
	if others == nil {
		return nil
	}
	if mine == nil {
		return []string{all}
	}
	var more []string
	for _, s := range mine {
		if !slices.Contains(others, s) {
			more = append(more, "the "+what+" "+s)
		}
	}
	return more
}

// asked is what the module asks for, by its manifest and by what it imports.
func (p *Plugin) asked() Grant {
	m := &p.manifest
	g := Grant{Hosts: m.Hosts, State: p.imports(abi.ImportKVGet, abi.ImportKVSet) && (m.State == nil || *m.State)}
	for _, text := range m.Secrets {
		g.Secrets = append(g.Secrets, strings.TrimSuffix(text, abi.OptionalMark))
	}
	if !p.imports(abi.ImportHTTPOpen) {
		g.Hosts, g.Secrets = []string{}, []string{}
	}
	if least, err := units.ParseBase2Bytes(m.Limits.Memory); err == nil {
		g.Memory = int64(least)
	}
	if least, err := time.ParseDuration(m.Limits.Timeout); err == nil {
		g.Timeout = least.Milliseconds()
	}
	return g
}

// grant holds what the manifest asks for against what the operator grants, and cuts the latter down to the former. The
// configuration is as the module will get it, in JSON.
func (p *Plugin) grant(configuration []byte) error {
	if err := p.checkConfiguration(configuration); err != nil {
		return err
	}
	if err := p.grantLimits(); err != nil {
		return err
	}
	if err := p.grantHosts(configuration); err != nil {
		return err
	}
	if err := p.grantSecrets(); err != nil {
		return err
	}
	if err := p.grantState(); err != nil {
		return err
	}
	p.granted = p.asked()
	return nil
}

func (p *Plugin) grantLimits() error {
	asked := p.asked()
	if units.Base2Bytes(asked.Memory) > p.cfg.MemoryLimit {
		return fmt.Errorf("its manifest asks for memory of %s, and plugins.%s.memory_limit is %v; raise it", p.manifest.Limits.Memory, p.name, p.cfg.MemoryLimit)
	}
	if asked.Timeout > p.cfg.Timeout.Milliseconds() {
		return fmt.Errorf("its manifest asks for a timeout of %s, and plugins.%s.timeout is %v; raise it", p.manifest.Limits.Timeout, p.name, p.cfg.Timeout)
	}
	return nil
}

func (p *Plugin) grantHosts(configuration []byte) error {
	if p.manifest.Hosts == nil {
		return nil
	}
	p.hosts = []origin{}
	allowed := parseOrigins(p.cfg.HTTP.Origins)
	for _, text := range p.manifest.Hosts {
		o, err := p.askedHost(text, configuration)
		if err != nil {
			return fmt.Errorf("its manifest's hosts: %w", err)
		}
		if !anyCovers(allowed, o) {
			return fmt.Errorf("its manifest asks for the host %v, which plugins.%s.http.origins does not have; add it there if the plugin may reach it", o, p.name)
		}
		p.hosts = append(p.hosts, o)
	}
	return nil
}

// askedHost reads one of the manifest's hosts.
func (p *Plugin) askedHost(text string, configuration []byte) (origin, error) {
	key, fromConfig := strings.CutPrefix(text, abi.ConfigHost)
	if !fromConfig {
		o, err := parseOrigin(text)
		if err != nil {
			return o, fmt.Errorf("the list %w", err)
		}
		return o, nil
	}
	value, err := configured(key, configuration, p.manifest.Config)
	if err != nil {
		return origin{}, err
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return origin{}, fmt.Errorf(`%s is %.100q in plugins.%s.config; write a URL such as "https://api.example.org/v1"`, key, value, p.name)
	}
	o, err := originOf(u)
	if err != nil {
		return o, fmt.Errorf("%s is %.100q in plugins.%s.config, a URL whose host %w", key, value, p.name, err)
	}
	return o, nil
}

// configured is the text that the configuration has at the key, or the schema's default for it.
func configured(key string, configuration, schema []byte) (string, error) {
	var have map[string]any
	if err := json.Unmarshal(configuration, &have); err != nil {
		return "", err
	}
	var defaults struct {
		Properties map[string]struct {
			Default any `json:"default"`
		} `json:"properties"`
	}
	if len(schema) > 0 {
		if err := json.Unmarshal(schema, &defaults); err != nil {
			return "", fmt.Errorf("config is no JSON Schema: %w", err)
		}
	}
	value, ok := have[key]
	if !ok {
		value = defaults.Properties[key].Default
	}
	if s, ok := value.(string); ok {
		return s, nil
	}
	return "", fmt.Errorf("%s%s names a key that the configuration does not have, or whose value is no text", abi.ConfigHost, key)
}

func (p *Plugin) grantSecrets() error {
	if p.manifest.Secrets == nil {
		return nil
	}
	asked := map[string]SecretConfig{}
	for _, text := range p.manifest.Secrets {
		id, optional := strings.CutSuffix(text, abi.OptionalMark)
		c, ok := p.cfg.Secrets[id]
		if !ok && !optional {
			return fmt.Errorf("its manifest asks for the secret %q; write a table [plugins.%s.secrets.%s] that says where it is", id, p.name, id)
		}
		if ok {
			asked[id] = c
		}
	}
	for id := range p.cfg.Secrets {
		if _, ok := asked[id]; !ok {
			p.log.Warn("a secret is for nothing: the plugin's manifest does not ask for it", "secret", id)
		}
	}
	p.cfg.Secrets = asked
	return nil
}

func (p *Plugin) grantState() error {
	asks := p.manifest.State
	if asks != nil && *asks && !p.cfg.State {
		return fmt.Errorf("its manifest asks to keep state, and plugins.%s.state is false; set it to true", p.name)
	}
	if asks != nil && !*asks {
		p.cfg.State = false
	}
	return nil
}

// imports tells whether the module imports one of the host's functions.
func (p *Plugin) imports(names ...string) bool {
	return slices.ContainsFunc(p.compiled.module.ImportedFunctions(), func(d api.FunctionDefinition) bool {
		module, name := importOf(d)
		return module == abi.Module && slices.Contains(names, name)
	})
}

// Granted is what the module asks for and is granted.
func (p *Plugin) Granted() Grant { return p.granted }
