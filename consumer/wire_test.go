package consumer

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// wired is a reply as it comes over the wire, of a text with spaces in the place of line ends.
func wired(text string) string { return strings.ReplaceAll(text, " ", "\r\n") + "\r\n" }

const twoEntries = "*2 *2 $3 1-0 *4 $4 data $2 \xc1\x00 $2 ts $0  *2 $3 2-0 *0"

func TestEntriesAreReadOffTheWire(t *testing.T) {
	t.Parallel()
	two := []seenEntry{{"1-0", envelope.Fields{"data", "\xc1\x00", "ts", ""}}, {"2-0", envelope.Fields{}}}
	for name, c := range map[string]struct {
		reply string
		want  []seenEntry
	}{
		"resp 3":      {"%1 $1 s " + twoEntries, two},
		"resp 2":      {"*1 *2 $1 s " + twoEntries, two},
		"none, new":   {"_", nil},
		"none, old":   {"*-1", nil},
		"no entry":    {"%1 $1 s *0", []seenEntry{}},
		"many fields": {"%1 $1 s *1 *2 $3 1-0 *" + "20" + strings.Repeat(" $1 a $1 b", 10), []seenEntry{{"1-0", slices.Repeat(envelope.Fields{"a", "b"}, 10)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := entriesOf(wired(c.reply))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestWhatIsNoReplyWithEntriesIsRefused(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		"", "*", "$3 abc", "*2 *2 $1 s *0 *2 $1 s *0", "%1 $1 s *-5", "%1 $1 s *99999999999", "%1 $1 s *1 *2 $3 1-0 *1 $1 a",
		"%1 $1 s *1 *2 $3 1-0 *2 $1 a $9 b", "%1 $1 s *1 *3 $3 1-0 *0 *0", "%1 $1 s *1 *2 :1 *0",
	} {
		_, err := entriesOf(wired(reply))
		require.ErrorIs(t, err, errNoEntries, "%q", reply)
	}
	_, err := entriesOf("-MOVED 1 127.0.0.1:1\r\n")
	require.EqualError(t, err, "MOVED 1 127.0.0.1:1")
}

func FuzzEntriesOf(f *testing.F) {
	f.Add(wired("%1 $1 s " + twoEntries))
	f.Add(wired("*1 *2 $1 s " + twoEntries))
	f.Add(wired("_"))
	f.Fuzz(func(t *testing.T, reply string) {
		entries, err := entriesOf(reply)
		if err != nil {
			require.Nil(t, entries)
			return
		}
		size := 0
		for _, e := range entries {
			size += len(e.id)
			for _, text := range e.fields {
				size += len(text)
			}
		}
		require.LessOrEqual(t, size, len(reply), "it has nothing that was not there")
	})
}
