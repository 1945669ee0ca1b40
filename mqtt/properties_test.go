package mqtt

import (
	"math/bits"
	"reflect"
	"testing"
)

// TestPropertyTable: constants, table and fields, three lists of the same 27
// things, agree.
func TestPropertyTable(t *testing.T) {
	row := func(which Prop, id byte, name string) {
		t.Helper()
		if propOf(uint32(id)) != which || which.String() != name {
			t.Errorf("0x%02X is %v, want %s", id, propOf(uint32(id)), name)
		}
	}
	row(PropPayloadFormat, 0x01, "Payload-Format-Indicator")
	row(PropSubscriptionID, 0x0B, "Subscription-Identifier")
	row(PropSessionExpiry, 0x11, "Session-Expiry-Interval")
	row(PropAuthData, 0x16, "Authentication-Data")
	row(PropReasonString, 0x1F, "Reason-String")
	row(PropUserProperty, 0x26, "User-Property")
	row(PropSharedSubAvailable, 0x2A, "Shared-Subscription-Available")
	if propOf(0x00) != 0 || propOf(0x2B) != 0 || propOf(0x102) != 0 {
		t.Error("an identifier that does not exist is a property")
	}
	if got := Prop(0).String(); got != "Unknown-Property" {
		t.Errorf("no property is %s", got)
	}

	if n := bits.TrailingZeros32(uint32(PropSharedSubAvailable)) + 1; n != len(propTable) {
		t.Fatalf("%d constants and %d rows", n, len(propTable))
	}
	p := new(Properties)
	fields := map[any]Prop{}
	for i := range propTable {
		which := Prop(1) << i
		if i > 0 && propTable[i].id <= propTable[i-1].id {
			t.Errorf("%v is out of order", which)
		}
		f := p.field(which)
		if f == nil || reflect.ValueOf(f).Kind() != reflect.Pointer {
			t.Errorf("%v has no field", which)
		}
		if other, taken := fields[f]; taken {
			t.Errorf("%v and %v share a field", which, other)
		}
		fields[f] = which
	}
	if want := reflect.TypeFor[Properties]().NumField() - 1; len(fields) != want {
		t.Errorf("%d fields are reached, Properties has %d", len(fields), want)
	}
	if p.field(0) != nil {
		t.Error("no property has a field")
	}
}

func TestHas(t *testing.T) {
	var none *Properties
	p := &Properties{Present: PropTopicAlias | PropContentType}
	if none.Has(PropTopicAlias) || !p.Has(PropTopicAlias) || p.Has(PropReasonString) || !p.Has(ForwardedProps) {
		t.Error("Has does not report what is present")
	}
	if none.String() != "" || p.String() != `Content-Type="", Topic-Alias=0` {
		t.Errorf("String is %q and %q", none, p)
	}
}
