package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestExpiredRetainedMessagesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		br := newRig(t)
		m := &mqtt.Message{Topic: "a", Payload: []byte("x"), ExpiresAt: Now() + 2000}
		if err := br.Retained.Put(m, Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute) // a sweep looks once a minute at least
		if n := br.Retained.Len(); n != 0 {
			t.Errorf("%d expired messages are kept", n)
		}
	})
}
