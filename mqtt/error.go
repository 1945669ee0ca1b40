package mqtt

import "fmt"

// Error says why bytes are no packet. The connection that sent them can't go
// on: what follows has no known beginning [MQTT-4.13.1-1].
type Error struct {
	Code ReasonCode // for a DISCONNECT or CONNACK
	Word string     // EMQ X's word for it, by which ended connections are counted
	Msg  string     // one sentence: which packet, which field, what was expected
}

// Error is the sentence.
func (e *Error) Error() string { return e.Msg }

// Unwrap gives the code, so that errors.Is finds it.
func (e *Error) Unwrap() error { return e.Code }

// The words of what malformed finds and of what is too large.
const (
	wordMalformed      = "malformed_packet"
	wordFrameTooLarge  = "frame_too_large"
	wordFunctionClause = "function_clause" // fields that do not add up to a packet
	wordBadVarint      = "malformed_variable_byte_integer"
	wordBadUTF8        = "utf8_string_invalid"
	wordBadHeader      = "bad_frame_header"
	wordBadPacketID    = "bad_packet_id"
	wordBadSubQoS      = "bad_subqos"
)

// tooLarge is the error of a packet that is not even waited for.
func tooLarge(t Type, length, limit uint32) *Error {
	return newError(PacketTooLarge, wordFrameTooLarge, "%v: remaining length is %d, the limit is %d",
		[]any{t, length, limit})
}

// malformed is the error of bytes that can't be read as the standard says.
func malformed(word, format string, args ...any) *Error {
	return newError(MalformedPacket, word, format, args)
}

// broken is the error of bytes that can be read but break a rule; it counts
// under the word of its code.
func broken(code ReasonCode, format string, args ...any) *Error {
	return newError(code, code.String(), format, args)
}

func newError(code ReasonCode, word, format string, args []any) *Error {
	return &Error{code, word, fmt.Sprintf(format, args...)}
}
