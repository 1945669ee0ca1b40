package mqtt

import (
	"errors"
	"fmt"
	"testing"
)

func TestReasonCode(t *testing.T) {
	if Success.Failed() || WildcardSubscriptionsNotSupported.String() == "unknown_error" || !UnspecifiedError.Failed() {
		t.Error("failures begin at 0x80")
	}
	if err := fmt.Errorf("subscribe: %w", NotAuthorized); !errors.Is(err, NotAuthorized) || errors.Is(err, Banned) {
		t.Error("a code does not serve as an error")
	}
	if got := ReasonCode(0xF0).String(); got != "unknown_error" {
		t.Errorf("0xF0 is %s", got)
	}
	words := map[string]ReasonCode{}
	for c := range 256 {
		word := ReasonCode(c).String()
		if before, twice := words[word]; twice && word != "unknown_error" {
			t.Errorf("%s is both 0x%02X and 0x%02X", word, byte(before), c)
		}
		words[word] = ReasonCode(c)
	}
	if len(words) != 44 {
		t.Errorf("%d words, want those of 43 codes and unknown_error", len(words))
	}
}

func TestConnackV3(t *testing.T) {
	row := func(want byte, codes ...ReasonCode) {
		t.Helper()
		for _, c := range codes {
			if got := connackV3(c); got != want {
				t.Errorf("%v is return code %d, want %d", c, got, want)
			}
		}
		if c, ok := fromConnackV3(want); !ok || connackV3(c) != want {
			t.Errorf("return code %d is %v, %t, which is return code %d", want, c, ok, connackV3(c))
		}
	}
	row(0, Success)
	row(1, UnspecifiedError, MalformedPacket, ProtocolError, ImplementationSpecificError, UnsupportedProtocolVersion)
	row(2, ClientIdentifierNotValid)
	row(3, ServerUnavailable, ServerBusy, ServerShuttingDown, TopicNameInvalid, QuotaExceeded, UseAnotherServer,
		ServerMoved, ConnectionRateExceeded)
	row(4, BadUserNameOrPassword)
	row(5, NotAuthorized, Banned, BadAuthenticationMethod)
	if _, ok := fromConnackV3(6); ok {
		t.Error("return code 6 exists")
	}
}
