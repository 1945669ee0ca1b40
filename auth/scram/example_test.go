package scram_test

import (
	"fmt"

	client "github.com/xdg-go/scram"

	"github.com/dunlin-mq/dunlin/auth/scram"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// The packets of one enhanced authentication: what a client puts into their
// authentication data, and what comes back.
func Example() {
	accounts, err := scram.NewAccounts(nil, nil)
	if err != nil {
		panic(err)
	}
	if err := accounts.Add(scram.SHA256, "alice", []byte("secret"), nil, 0); err != nil {
		panic(err)
	}
	exchange := scram.Mechanisms(accounts)[scram.SHA256].Begin(nil)

	alice, err := client.SHA256.NewClient("alice", "secret", "")
	if err != nil {
		panic(err)
	}
	conversation := alice.NewConversation()
	first, _ := conversation.Step("") // into CONNECT, with the method SCRAM-SHA-256

	reply, code := exchange.Step([]byte(first))
	fmt.Printf("CONNECT n,,n=alice,r=…   → AUTH %v\n", code)

	final, _ := conversation.Step(string(reply)) // into AUTH
	reply, code = exchange.Step([]byte(final))
	fmt.Printf("AUTH c=biws,r=…,p=…      → CONNACK %v\n", code)

	if _, err := conversation.Step(string(reply)); err == nil && code == mqtt.Success {
		answer, username := exchange.Answer()
		fmt.Printf("%s is proved, superuser %v; the server is, too: %v\n", username, answer.Superuser, conversation.Valid())
	}
	// Output:
	// CONNECT n,,n=alice,r=…   → AUTH continue_authentication
	// AUTH c=biws,r=…,p=…      → CONNACK success
	// alice is proved, superuser false; the server is, too: true
}
