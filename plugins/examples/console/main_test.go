package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestPrintsOneLineAMessage(t *testing.T) {
	t.Parallel()
	for line, payload := range map[string]sgs.Map{
		"info: hello":          {"type": "message", "text": "hello"},
		"info: (buttons) pick": {"type": "buttons", "text": "pick", "buttons": []string{"a", "b"}},
		"info: (file) ":        {"type": "file", "data": []byte{0, 1}},
	} {
		got := sgs.Test(sgs.Message{Platform: "console", Payload: payload})
		if diff := cmp.Diff(sgs.Result{Status: abi.StatusDone, Logs: []string{line}}, got); diff != "" {
			t.Errorf("%v: %s", payload, diff)
		}
	}
}
