package clustertest

import (
	"os"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/build"
)

// program is the built command; TestMain makes it.
var program string

func TestMain(m *testing.M) {
	if program = os.Getenv("DUNLIN"); program != "" { // another build than this module's
		os.Exit(m.Run())
	}
	os.Exit(build.Main(m, func(path string) { program = path }))
}
