package retain

import (
	"testing"

	"github.com/dunlin-mq/dunlin/config"
)

func TestDefaults(t *testing.T) {
	var c Config
	c.SetDefaults()
	if want := (Config{StorageType: "disc", MaxPayload: config.MB}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if !c.Keeps() || !(&Config{StorageType: "disc_only"}).Keeps() || (&Config{StorageType: "ram"}).Keeps() {
		t.Error("what outlives the process isn't Config's")
	}
	if New(c).StopPublishClearMsg() || !New(Config{StopPublishClearMsg: true}).StopPublishClearMsg() {
		t.Error("StopPublishClearMsg isn't Config's")
	}
}
