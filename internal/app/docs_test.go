package app_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// root is the repository's, seen from this package.
const root = "../.."

func page(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(b)
}

// row expects a row of a table that begins with the cells, in code or not.
func row(t *testing.T, page string, cells ...string) {
	t.Helper()
	for line := range strings.Lines(strings.ReplaceAll(page, "`", "")) {
		if strings.HasPrefix(line, "| "+strings.Join(cells, " | ")+" |") {
			return
		}
	}
	t.Errorf("no table has a row that begins with %q", cells)
}

func TestABIPageHasEveryFunction(t *testing.T) {
	t.Parallel()
	doc := page(t, "docs/abi.md")
	for _, e := range abi.Exports() {
		required := "no"
		if e.Required {
			required = "yes"
		}
		row(t, doc, e.Name, signature(e.Signature), required)
	}
	row(t, doc, abi.ExportMemory, "memory", "yes")
	for name, s := range abi.Imports() {
		row(t, doc, name, signature(s))
	}
	for _, name := range []string{abi.Module, abi.WASIModule, abi.ExportStart, abi.ManifestSection} {
		require.Contains(t, doc, "`"+name+"`")
	}
}

func signature(s abi.Signature) string {
	names := map[abi.ValueType]string{abi.I32: "i32", abi.I64: "i64"}
	var params []string
	for _, p := range s.Params {
		params = append(params, names[p])
	}
	result := "()"
	if len(s.Results) == 1 {
		result = names[s.Results[0]]
	}
	return "(" + strings.Join(params, ", ") + ") -> " + result
}

func TestABIPageHasEveryNumber(t *testing.T) {
	t.Parallel()
	doc := page(t, "docs/abi.md")
	statuses := 0
	for s := abi.Status(0); s.String() != fmt.Sprintf("status %d", s); s++ {
		row(t, doc, fmt.Sprint(uint32(s)), s.String())
		statuses++
	}
	require.Equal(t, 4, statuses, "done, retry, reject, drop")
	errnos := 0
	for e := abi.ErrnoOK; e.String() != fmt.Sprintf("errno %d", e); e-- {
		row(t, doc, fmt.Sprint(int32(e)), e.String())
		errnos++
	}
	require.Equal(t, 8, errnos, "from OK to EUNAVAILABLE")
	limits := constants(t, "abi/limits.go")
	require.Contains(t, limits, "MaxEmits")
	for name, value := range limits {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| " + value + " ")
		require.Regexp(t, row, doc)
	}
}

// constants are the names and values of a file's constants.
func constants(t *testing.T, path string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(root, path), nil, 0)
	require.NoError(t, err)
	checked, err := new(types.Config).Check("limits", files, []*ast.File{file}, nil)
	require.NoError(t, err)
	values := map[string]string{}
	for _, name := range checked.Scope().Names() {
		if c, ok := checked.Scope().Lookup(name).(*types.Const); ok {
			values[name] = constant.ToInt(c.Val()).ExactString()
		}
	}
	return values
}

func TestABIPageHasEveryKeyOfTheManifest(t *testing.T) {
	t.Parallel()
	doc := page(t, "docs/abi.md")
	for _, field := range reflect.VisibleFields(reflect.TypeFor[abi.Manifest]()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		row(t, doc, key)
	}
	for _, word := range []string{abi.CodecJSON, abi.CodecMsgpack, abi.KindProcessor, abi.KindAdapter} {
		require.Contains(t, doc, "`"+word+"`")
	}
}

func TestOperationsPageHasEveryMetric(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	consumer.NewMetrics(registry)
	h, err := host.New(t.Context(), host.Options{Registerer: registry})
	require.NoError(t, err)
	defer h.Close(t.Context())
	described := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(described)
		close(described)
	}()
	doc, found := page(t, "docs/operations.md"), 0
	name := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: {([^}]*)}`)
	for d := range described {
		m := name.FindStringSubmatch(d.String())
		require.NotNil(t, m, "the name in %s", d)
		found++
		line := regexp.MustCompile("(?m)^\\| `" + m[1] + "` \\|.*$").FindString(doc)
		require.NotEmpty(t, line, "a row for %s", m[1])
		for label := range strings.SplitSeq(m[2], ",") {
			require.Contains(t, line, "`"+label+"`", "the labels of %s", m[1])
		}
	}
	require.Positive(t, found)
}

// The ACL rule in the operator's page lets a daemon do its work, all of it: its start checks every right.
func TestOperationsPageHasAnACLRuleThatIsEnough(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`(?m)^ {4}(user sgstreamd .*)$`).FindStringSubmatch(page(t, "docs/operations.md"))
	require.NotNil(t, rule)
	r := redistest.Start(t)
	c := r.Client(t)
	args := []any{"acl", "setuser"}
	for _, word := range strings.Fields(rule[1])[1:] {
		args = append(args, word)
	}
	require.NoError(t, c.Do(t.Context(), append(args, ">secret")...).Err())
	d := startDaemon(t, "redis.url="+(&url.URL{Scheme: "redis", User: url.UserPassword("sgstreamd", "secret"), Host: r.Addr()}).String(),
		"inbound.processor=moody", "outbound.platforms=test", "outbound.adapters.test=console")
	d.ready()
	say(t, c, "hello")
	d.line(`"plugin":"console"`, `"source":"log"`, "hello")
	say(t, c, "reject")
	d.line("message dead-lettered", "asked to reject")
	d.stop()
}

func TestReadmeShowsTheEchoPlugin(t *testing.T) {
	t.Parallel()
	_, rest, ok := strings.Cut(page(t, "README.md"), "```go\n")
	require.True(t, ok)
	shown, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	require.Equal(t, page(t, "plugins/examples/echo/main.go"), shown)
}

func TestReadmeShowsWhatTheDevCommandPrints(t *testing.T) {
	t.Parallel()
	readme := page(t, "README.md")
	const typed = `printf 'hello\nworld\n' | make run`
	_, rest, ok := strings.Cut(readme, "$ "+typed+"\n")
	require.True(t, ok, "the line %q", typed)
	shown, _, _ := strings.Cut(rest, "```")
	out, errOut, code := run(t, "hello\nworld\n", "dev", "--plugins", built.plugins)
	require.Equal(t, 0, code, errOut)
	lines := func(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
	require.ElementsMatch(t, lines(out), lines(shown))
}

// Every promise names the tests that show it, and each of them is there.
func TestGuaranteesPageNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	tests := declaredTests(t)
	named := regexp.MustCompile("`(Test\\w+)`")
	_, promises, _ := strings.Cut(page(t, "docs/guarantees.md"), "\n## ")
	for _, section := range strings.Split(promises, "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		for _, part := range []string{"**Promise.**", "**Conditions.**", "**How.**", "**Shown by**"} {
			require.Contains(t, section, part, "%s", title)
		}
		_, shown, _ := strings.Cut(section, "**Shown by**")
		names := named.FindAllStringSubmatch(shown, -1)
		require.NotEmpty(t, names, "tests of %q", title)
		for _, m := range names {
			require.Contains(t, tests, m[1], "a test of %q", title)
		}
	}
}

// declaredTests are the names of all tests in the repository.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declared, tests := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`), map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	}))
	return tests
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

func TestPagesLinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	for _, name := range []string{"README.md", "RATIONALE.md", "CHANGELOG.md"} {
		pages = append(pages, filepath.Join(root, name))
	}
	for _, file := range pages {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(file), m[1]))
			require.NoError(t, err, "a link in %s", file)
		}
	}
}
