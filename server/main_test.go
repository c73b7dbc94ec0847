package server_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// atOnce is how many of the tests run side by side without services. Most of them wait for nodes that wait for each
// other, and need no processor for it; with services each has nodes on three databases.
const atOnce = 10

func TestMain(m *testing.M) {
	flag.Parse()
	given := os.Getenv("STOA_TEST_POSTGRES")+os.Getenv("STOA_TEST_MARIADB") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
