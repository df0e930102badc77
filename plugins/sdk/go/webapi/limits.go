package webapi

import (
	"errors"
	"strings"
	"sync"
	"time"

	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// maxLimits is the number of keys that Limits keeps.
const maxLimits = 1024

// Limits remembers until when a platform is to be left alone, under keys such as a channel's id. It is memory of one
// instance: another one learns it from the platform. The zero value is ready, and safe for concurrent use.
type Limits struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// Note says that what the key stands for is to be left alone for so long. A shorter time than is known changes nothing.
func (l *Limits) Note(key string, d time.Duration) {
	if d <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.until) >= maxLimits {
		for k, at := range l.until {
			if !at.After(now) {
				delete(l.until, k)
			}
		}
		if len(l.until) >= maxLimits {
			return // the platform will say it again
		}
	}
	if l.until == nil {
		l.until = map[string]time.Time{}
	}
	if at := now.Add(d); at.After(l.until[key]) {
		l.until[strings.Clone(key)] = at // of a message, which should not be kept with it
	}
}

// Wait returns how long none of the keys may be used yet, in whole milliseconds, rounded up; 0 if they may.
func (l *Limits) Wait(keys ...string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wait time.Duration
	for _, key := range keys {
		wait = max(wait, time.Until(l.until[key]))
	}
	return (wait + time.Millisecond - 1).Truncate(time.Millisecond)
}

// maxTries is how often Do asks for the same thing.
const maxTries = 5

// Do asks when none of the keys' limits stands in the way. Where ask fails with Later and a time, that is noted under the
// first key. If patient, it waits for limits within the call, as Pause does, and asks again; what it can't wait for,
// it returns as a *Failure with the outcome Later.
func (l *Limits) Do(c *sgs.Call, patient bool, ask func() error, keys ...string) error {
	for try := 1; ; try++ {
		if d := l.Wait(keys...); d > 0 && (!patient || !Pause(c, d)) {
			return &Failure{Outcome: Later, After: d, Reason: "the rate limit is used up; the next request may be made in " + d.String()}
		}
		err := ask()
		var f *Failure
		if !errors.As(err, &f) || f.Outcome != Later || f.After == 0 {
			return err
		}
		l.Note(keys[0], f.After)
		if !patient || try == maxTries {
			return err
		}
	}
}
