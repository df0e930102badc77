package main

import (
	"bytes"
	"io"
)

// clientLog is where the standard logger writes to. Nothing of ours does, but Go's HTTP client does: it quotes what a
// server sends that nobody has asked for, which may be the end of an answer, with a plugin's secret in it.
type clientLog struct{ out io.Writer }

// Write implements io.Writer. The logger calls it once for each line.
func (l clientLog) Write(line []byte) (int, error) {
	head, _, quotes := bytes.Cut(line, []byte(" starting with "))
	if quotes {
		head = append(bytes.Clone(head), '\n')
	}
	if _, err := l.out.Write(head); err != nil {
		return 0, err
	}
	return len(line), nil
}
