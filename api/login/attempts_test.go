package login

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func never() bool { return false }

func TestGuessingFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Attempts
		for i := range maxTries + 5 {
			o := a.Try(fmt.Sprintf("192.0.2.1:%d", i+1), fmt.Sprint("name", i), never, func() bool { return false })
			if (o.Wait == tryAgain) != (i >= maxTries) || o.Right || o.Shut != (i == maxTries-1) {
				t.Fatalf("guess %d: %+v", i+1, o)
			}
		}
		checked := false
		if o := a.Try("192.0.2.1:99", "admin", never, func() bool { checked = true; return true }); checked || o.Wait == 0 || o.Right {
			t.Errorf("one that is right is checked too early: %+v", o)
		}
		if o := a.Try("192.0.2.2:1", "name1", never, func() bool { return true }); !o.Right {
			t.Errorf("another address: %+v", o)
		}
		time.Sleep(tryAgain)
		if o := a.Try("192.0.2.1:99", "admin", never, func() bool { return true }); !o.Right || o.Wait > 0 || o.Shut {
			t.Errorf("later: %+v", o)
		}
	})
}

func TestGuessingAtOnceIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Attempts
		outcomes := make(chan Outcome)
		for range 40 {
			go func() {
				outcomes <- a.Try("192.0.2.1:1", "admin", never, func() bool { return false })
			}()
		}
		checked := 0
		for range 40 {
			if o := <-outcomes; o.Wait == 0 {
				checked++
			}
		}
		if checked != maxTries {
			t.Errorf("of 40 guesses at once %d were checked, want %d", checked, maxTries)
		}
	})
}

// TestGuessingFromManyAddresses: a name that many are wrong about is guarded
// better, and its owner still gets in from an address that nobody knows.
func TestGuessingFromManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Attempts
		wrong := func(address int) Outcome {
			return a.Try(fmt.Sprintf("10.0.%d.%d:1", address>>8, address&255), "admin", never, func() bool { return false })
		}
		for i := range maxOfName - 1 {
			if o := wrong(i); o.Shut || o.Wait > 0 {
				t.Fatalf("address %d: %+v", i, o)
			}
		}
		for i := range 500 {
			if o := wrong(1000 + i); !o.Shut || o.Wait > 0 {
				t.Fatalf("while it is guessed, address %d: %+v", i, o)
			}
			if o := wrong(1000 + i); o.Wait != whileGuessed {
				t.Fatalf("while it is guessed, address %d again: %+v", i, o)
			}
		}
		if o := a.Try("192.0.2.1:1", "admin", never, func() bool { return true }); !o.Right {
			t.Errorf("the owner is kept out: %+v", o)
		}
		if o := a.Try("192.0.2.1:1", "other", never, func() bool { return false }); o.Shut {
			t.Errorf("another name is guarded as well: %+v", o)
		}
		time.Sleep(2 * whileGuessed)
		if o := wrong(1000); o.Wait > 0 || o.Shut {
			t.Errorf("long after: %+v", o)
		}
	})
}

func TestTriesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		fill := func() time.Duration { b.fill(time.Now()); return b.wait(time.Now(), maxTries) }
		for i := range maxTries {
			if wait := fill(); (wait > 0) != (i == maxTries-1) {
				t.Fatalf("try %d: the next waits %v", i+1, wait)
			}
		}
		if wait := b.wait(time.Now(), maxTries); wait != tryAgain {
			t.Errorf("then it waits %v, want %v", wait, tryAgain)
		}
		time.Sleep(tryAgain)
		if wait := b.wait(time.Now(), maxTries); wait != 0 {
			t.Errorf("after %v it waits %v", tryAgain, wait)
		}
		if wait := fill(); wait != tryAgain {
			t.Errorf("one more lets it wait %v, want %v", wait, tryAgain)
		}
		time.Sleep(time.Hour)
		for range maxTries {
			fill()
		}
		if wait := b.wait(time.Now(), maxTries); wait != tryAgain {
			t.Errorf("an hour has saved up tries: %v, want %v", wait, tryAgain)
		}
	})
}

func TestAddressesThatAreOne(t *testing.T) {
	var a Attempts
	f := func(one, other string, same bool) {
		t.Helper()
		b, _ := a.enter(visit{from: network(one)}, never)
		c, _ := a.enter(visit{from: network(other)}, never)
		if (b == c) != same {
			t.Errorf("%s and %s: want the same bucket %v", one, other, same)
		}
	}
	f("192.0.2.1:1", "192.0.2.1:2", true)
	f("192.0.2.1:1", "[::ffff:192.0.2.1]:2", true)
	f("192.0.2.1:1", "192.0.2.2:1", false)
	f("[2001:db8::1]:1", "[2001:db8::2:0:0:1]:1", true)
	f("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false)
	f("[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true)
	f("@", "", true)
	for i := range maxTried + 100 {
		from, name := fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), fmt.Sprint("name", i)
		a.Try(from, name, never, never)
		a.Try(from, name, never, func() bool { return true })
	}
	if n, m, in := len(a.byAddress), len(a.byName), len(a.in); n != maxTried || m != maxTried || in != maxTried {
		t.Errorf("%d addresses, %d names and %d logins are kept, want %d", n, m, in, maxTried)
	}
}

// TestWhoIsInStaysIn where others guess, but for those who guess that very name:
// they would be told at once whether they are right.
func TestWhoIsInStaysIn(t *testing.T) {
	const here = "192.0.2.1:1"
	yes := func() bool { return true }
	synctest.Test(t, func(t *testing.T) {
		var a Attempts
		f := func(step, name string, proven, check func() bool, right bool) {
			t.Helper()
			if o := a.Try(here, name, proven, check); o.Right != right {
				t.Errorf("%s: %+v", step, o)
			}
		}
		f("proven elsewhere only", "program", yes, never, false)
		f("right", "program", never, yes, true)
		f("right", "other", never, yes, true)
		for range maxTries {
			f("somebody else guesses", "admin", yes, never, false)
		}
		f("in", "program", yes, never, true)
		f("the guesser is right at last", "admin", yes, yes, false)
		f("a wrong guess about who is in", "program", never, yes, false)
		f("and one that would be right", "program", yes, yes, false)
		f("still in", "other", yes, never, true)
		time.Sleep(2 * tryAgain)
		f("right again", "program", yes, yes, true)
	})
}

// TestWaitingForgetsNobody: the names of somebody who has to wait don't crowd
// out those that are guessed.
func TestWaitingForgetsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Attempts
		for i := range 10 * maxTries {
			a.Try("192.0.2.1:1", fmt.Sprint("name", i), never, never)
		}
		if n := len(a.byName); n != maxTries {
			t.Errorf("%d names are kept, want the %d that were checked", n, maxTries)
		}
	})
}
