package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestAnswersWithWhatItWasTold(t *testing.T) {
	t.Parallel()
	got := sgs.Test(sgs.Message{
		ID: "5-0", TraceID: "T", Platform: "discord",
		Payload: sgs.Map{"channel_id": "42", "message_id": "7", "content": "hello\n\"wörld\""},
	})
	want := sgs.Result{Status: abi.StatusDone, Emits: []sgs.Emit{{Platform: "discord", Payload: sgs.Map{
		"platform": "discord", "channel_id": "42", "type": "message", "text": "hello\n\"wörld\"", "reply_to": "7", "trace_id": "T",
	}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
