package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func told(channel string) sgs.Message {
	return sgs.Message{Platform: "discord", ChannelKey: "discord:" + channel, Payload: sgs.Map{"channel_id": channel}}
}

func TestCountsTheMessagesOfEachChannel(t *testing.T) {
	t.Parallel()
	state := map[string]string{"count:discord:7": "99"}
	for _, want := range []struct{ channel, text string }{
		{"42", "message 1"}, {"42", "message 2"}, {"7", "message 100"}, {"42", "message 3"},
	} {
		got := sgs.TestState(state, told(want.channel))
		if got.Status != abi.StatusDone || len(got.Emits) != 1 || got.Emits[0].Payload.Text("text") != want.text {
			t.Errorf("%v: %+v", want, got)
		}
	}
	if diff := cmp.Diff(map[string]string{"count:discord:42": "3", "count:discord:7": "100"}, state); diff != "" {
		t.Error(diff)
	}
}

func TestDoesNotOverwriteWhatIsNoCount(t *testing.T) {
	t.Parallel()
	state := map[string]string{"count:discord:42": "many"}
	got := sgs.TestState(state, told("42"))
	if got.Status != abi.StatusRetry || !strings.Contains(got.Reason, "count:discord:42 is no count") || state["count:discord:42"] != "many" {
		t.Errorf("%+v", got)
	}
}
