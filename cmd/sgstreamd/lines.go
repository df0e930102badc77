package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// inputLine is a line of the input, or the error that ended it: io.EOF at its end.
type inputLine struct {
	number int // counted from 1
	text   string
	err    error
}

// readLines reads in a goroutine of its own, which a terminal may hold beyond ctx's end: the process ends then.
// The last it sends has an error. A line of more than most bytes is one, since it can't be sent.
func readLines(ctx context.Context, in io.Reader, most int) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		r := bufio.NewReader(in)
		for l := (inputLine{}); l.err == nil; {
			l.number++
			l.text, l.err = readLine(r, most)
			if l.err != nil && l.err != io.EOF {
				l.err = fmt.Errorf("standard input, line %d: %w; it and what follows were not sent", l.number, l.err)
			}
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// readLine returns the next line without its end. The last one need not have an end.
func readLine(r *bufio.Reader, most int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		ended := err == nil || err == io.EOF && len(line) > 0
		text := line
		if ended {
			text = []byte(strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"))
		}
		switch {
		case len(text) > most:
			return "", fmt.Errorf("is longer than %d bytes, the most that a message may have", most)
		case ended:
			return string(text), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}
