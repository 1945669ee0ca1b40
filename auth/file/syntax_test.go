package file

import (
	"errors"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// TestSyntax shows what may be written in many ways.
func TestSyntax(t *testing.T) {
	same := func(src string) {
		t.Helper()
		rs := rulesOf(t, src)
		if len(rs.all) != 1 || verdict(rs, alice, auth.Publish, "a b") != "allow" || verdict(rs, alice, auth.Subscribe, "a b") != "" {
			t.Errorf("%s: %d rules", src, len(rs.all))
		}
	}
	same(`{allow,{user,"alice"},publish,["a b"]}.`)
	same("{ allow\t,\r\n{user , % who?\n\"alice\" } , publish , [ \"a b\" ] } .")
	same(`%{deny, all}.` + "\n" + `{allow, {user, "alice"}, publish, ["a b"]}. % the end`)
	same(`{'allow', {'user', "alice"}, 'publish', ["a b"]}.`)
	same(`{'all\x6fw', {user, "alice"}, publish, ["a\sb"]}.`)
	same(`{allow, {user, "\141l\x69\x{63}e"}, publish, ["a\40b"]}.`)
	same(`{allow, {user, "a" "lice"}, publish, "a " "b"}.`)
	same(`{allow, {user, << "alice" >>}, publish, [<<"a b"/utf8>>]}.`)
	same("{allow,{user,\"alice\"},publish,[\"a b\"]}.%")
}

func TestTextsAreRead(t *testing.T) {
	check := func(src, want string) {
		t.Helper()
		p := parser{lexer: lexer{src: src + "."}}
		got, _, err := p.statement()
		if err != nil || got.text != want {
			t.Errorf("%s: %q, %v, want %q", src, got.text, err, want)
		}
	}
	check(`""`, "")
	check(`<<>>`, "")
	check(`<<"">>`, "")
	check(`"a%b{c}.d"`, "a%b{c}.d")
	check(`"say \"yes\" \\ \'no\'"`, `say "yes" \ 'no'`)
	check(`"\b\d\e\f\n\r\s\t\v"`, "\b\x7f\x1b\f\n\r \t\v")
	check(`"\^A\^_\^a"`, "\x01\x1f^a")
	check(`"\0\18\777"`, "\x00\x018ǿ")
	check(`"\x41\x{1F600}\x{10ffff}\x{9}\q"`, "A😀\U0010ffff\tq")
	check("\"two\nlines\"", "two\nlines")
	check(`'an atom'`, "an atom")
	check(`a_b@C9`, "a_b@C9")
}

// TestMistakes: each has its place, what was found and what was expected.
func TestMistakes(t *testing.T) {
	check := func(src string, want ...string) {
		t.Helper()
		_, err := parse("acl.conf", src)
		if err == nil {
			t.Errorf("%s: taken", src)
			return
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(want) {
			t.Errorf("%s: %d mistakes, want %d:\n%v", src, len(lines), len(want), err)
			return
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], "acl.conf:"+w) {
				t.Errorf("%s:\n  %s\nwant\n  acl.conf:%s", src, lines[i], w)
			}
		}
	}
	// Terms that aren't.
	check(`{allow, all}`, `1:13: found the end of the file, expected a full stop after the rule`)
	check("{allow, all}\n{deny, all}.", `2:1: found {, expected a full stop after the rule`)
	check(`{allow, all.`, `1:12: found ., expected a comma or }`)
	check(`{allow all}.`, `1:8: found the word all, expected a comma or }`)
	check(`{allow, }.`, `1:9: found } after a comma, expected one more term`)
	check(`{, all}.`, `1:2: found ,, expected a word, a text, { or [`)
	check(`{allow, {user, "x}, publish, []}.`, `1:16: found no end of what begins with this "`)
	check(`{allow, {user, 'x}, publish, []}.`, `1:16: found no end of what begins with this '`)
	check(`{allow, {user, <<a>>}, publish, []}.`, `1:18: found the word a, expected a text in <<"…">>`)
	check(`{allow, {user, <<"a"/utf16>>}, publish, []}.`, `1:22: found the word utf16, expected utf8 after the slash`)
	check(`{allow, {user, <<"a">}, publish, []}.`, `1:21: found '>', which has no meaning here`)
	check(`{allow, {user, "\xg0."}, publish, []}.`, `1:17: found an escape that is no character, expected \xHH or \x{H…}`)
	check(`{allow, {user, "\x4"}, publish, []}.`, `1:17: found an escape`)
	check(`{allow, {user, "\x{d800}"}, publish, []}.`, `1:17: found an escape`)
	check(`{allow, {user, "\x{41"}, publish, []}.`, `1:17: found an escape`)
	check(`{allow, {user, "\x4`, `1:16: found no end of what begins with this "`)
	check(`{allow, {user, "\x{4`, `1:16: found no end`)
	check(`{allow, {user, "\x{0010ffff}"}, publish, []}.`, `1:17: found an escape`)
	check(`{allow, {user, "\x{}"}, publish, []}.`, `1:17: found an escape`)
	check(`{allow, {user, "\`, `1:16: found no end of what begins with this "`)
	check("{allow, all}. ?", `1:15: found '?', which has no meaning here`)
	check("{allow, \xff}.", `1:9: found the byte 0xff, expected UTF-8`)
	check("% ä\n  ö {allow, all}.", `2:5: found {, expected a full stop after the rule`)
	check(strings.Repeat("[", 40)+".", `1:33: found a rule nested deeper than 32 levels`)
	// Terms that mean nothing.
	check(`allow.`, `1:1: found the word allow, expected {allow, all}, {deny, all} or {allow|deny, who, action, topics}`)
	check(`{allow, all, publish}.`, `1:1: found {allow, …} of 3, expected {allow, all}`)
	check(`{}.`, `1:1: found a tuple of 0, expected {allow, all}`)
	check(`{alow, all}.`, `1:2: found the word alow, expected allow or deny; did you mean allow?`)
	check(`{Deny, all}.`, `1:2: found the word Deny, expected allow or deny; did you mean deny?`)
	check(`{"deny", all}.`, `1:2: found the text "deny", expected allow or deny`)
	check(`{permit, all}.`, `1:2: found the word permit, expected allow or deny`)
	check(`{allow, al}.`, `1:9: found the word al, expected all, or who, action and topics; did you mean all?`)
	check(`{allow, {usr, "x"}, publish, []}.`, `1:9: found {usr, …} of 2, expected all, {user, "…"}, {client, "…"}, {ipaddr, "…"}, {ipaddrs, […]}, {'and', […]} or {'or', […]}; did you mean user?`)
	check(`{allow, {user, "a", "b"}, publish, []}.`, `1:9: found {user, …} of 3, expected all, {user, "…"}`)
	check(`{allow, <<"x">>, publish, []}.`, `1:9: found the text "x", expected all`)
	check(`{allow, {user, alice}, publish, []}.`, `1:16: found the word alice, expected a name in double quotes, {re, "…"} or all`)
	check(`{allow, {user, ""}, publish, []}.`, `1:16: found an empty name, which no client has`)
	check(`{allow, {user, "a\0"}, publish, []}.`, `1:16: found the text "a\x00", which no client is called`)
	check(`{allow, {user, {re, "("}}, publish, []}.`, `1:21: found the text "(", which is no regular expression: missing closing )`)
	check(`{allow, {ipaddr, 10}, publish, []}.`, `1:18: found the number 10, expected an address in double quotes`)
	check(`{allow, {ipaddr, "10.0.0"}, publish, []}.`, `1:18: found the text "10.0.0", expected an address such as "10.0.0.1" or "10.0.0.0/8"`)
	check(`{allow, {ipaddr, "10.0.0.0/33"}, publish, []}.`, `1:18: found the text "10.0.0.0/33", expected an address`)
	check(`{allow, {ipaddrs, "10.0.0.1"}, publish, []}.`, `1:19: found the text "10.0.0.1", expected a list in square brackets`)
	check(`{allow, {'and', [{usr, "x"}]}, publish, []}.`, `1:18: found {usr, …} of 2`)
	check(`{allow, {an, []}, publish, []}.`, `1:9: found {an, …} of 2, expected all, {user, "…"}, {client, "…"}, {ipaddr, "…"}, {ipaddrs, […]}, {'and', […]} or {'or', […]}; did you mean and?`)
	check(`{allow, all, publich, []}.`, `1:14: found the word publich, expected publish, subscribe or pubsub; did you mean publish?`)
	check(`{allow, all, sub, []}.`, `1:14: found the word sub, expected publish, subscribe or pubsub; did you mean subscribe?`)
	check(`{allow, all, pubsbu, []}.`, `1:14: found the word pubsbu, expected publish, subscribe or pubsub; did you mean pubsub?`)
	check(`{allow, all, {publish, [{qos, 1}]}, []}.`, `1:14: found {publish, …} of 2, expected the action alone: conditions on qos and retain are not supported`)
	check(`{allow, all, publish, all}.`, `1:23: found the word all, expected a list of topics such as ["a/#", {eq, "b"}]`)
	check(`{allow, all, publish, [a]}.`, `1:24: found the word a, expected a topic: "a/#" or {eq, "a"}`)
	check(`{allow, all, publish, [{qe, "a"}]}.`, `1:24: found {qe, …} of 2, expected a topic: "a/#" or {eq, "a"}; did you mean eq?`)
	check(`{allow, all, publish, ["a/#/b"]}.`, `1:24: found the text "a/#/b", which matches nothing: # must be the whole last level`)
	check(`{allow, all, publish, ["a\0"]}.`, `1:24: found the text "a\x00", which matches nothing: a topic must not contain the character U+0000`)
	check(`{allow, all, publish, [""]}.`, `1:24: found the text "", which matches nothing: a topic needs`)
	check(`{allow, all, publish, [{eq, "a+"}]}.`, `1:29: found the text "a+", which matches nothing: + must be a whole level`)
	check(`{allow, all, publish, ["d/x${clientid}"]}.`, `1:24: found the text "d/x${clientid}", expected only ${username} and ${clientid}, each as a whole level`)
	// Every mistake is told, and what follows it is read.
	check("{alow, all}.\n{allow, all}.\n{deny, {user, x}, publish, []}.\n{deny, al}.",
		"1:2:", "3:15:", "4:8:")
	check("{allow, {user, \"a\\xzz\"}, publish, [\"b\"]}.\n{deny. all}.", "1:18:", "2:6: found ., expected a comma or }", "2:11: found }, expected a full stop after the rule")
}

func TestMistakesAreBounded(t *testing.T) {
	_, err := parse("acl.conf", strings.Repeat("x.\n", 1000))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxErrors+1 || lines[maxErrors] != "acl.conf: and 980 more mistakes" {
		t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
	var first *Error
	if !errors.As(err, &first) || first.Line != 1 || first.Column != 1 || first.File != "acl.conf" {
		t.Errorf("%+v", first)
	}
}

func TestQuotationsAreShort(t *testing.T) {
	_, err := parse("f", `{deny, all, publish, ["`+strings.Repeat("ä", 1000)+`/#/#"]}.`)
	if n := len(err.Error()); n > 200 {
		t.Errorf("%d bytes: %v", n, err)
	}
}

func TestNearly(t *testing.T) {
	check := func(a, b string, want bool) {
		t.Helper()
		if nearly(a, b) != want {
			t.Errorf("%q and %q: %v", a, b, !want)
		}
	}
	check("alow", "allow", true)
	check("alllow", "allow", true)
	check("allpw", "allow", true)
	check("lalow", "allow", true)
	check("ALLOW", "allow", true)
	check("al", "all", true)
	check("allow", "allow", false)
	check("a", "all", false)
	check("", "all", false)
	check("allwo", "allow", true)
	check("lla", "all", false)
	check("deny", "allow", false)
}
