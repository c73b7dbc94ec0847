package embedded_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
)

// each is how many documents a batch of the killed process has.
const each = 20

// TestKill_TokenAndDocumentsAreOfOneMoment kills a process that writes, again and again at another moment: what it had
// been told is written is there, and the token is that of the documents, no more and no less.
func TestKill_TokenAndDocumentsAreOfOneMoment(t *testing.T) {
	if dir := os.Getenv("STOA_TEST_KILLED"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	told := 0
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "STOA_TEST_KILLED="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for more := 1 + r.IntN(12); more > 0 && lines.Scan(); more-- {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the process says %q", lines.Text())
			}
			told = n
		}
		// a moment within the next write, most often
		kill := time.NewTimer(time.Duration(r.IntN(8000)) * time.Microsecond)
		<-kill.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had still said
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				told = n
			}
		}
		_ = cmd.Wait()
		told = compare(t, dir, told)
	}
	if told < 8 {
		t.Errorf("only %d batches were written", told)
	}
}

// writeUntilKilled goes on where the token says. Each batch has new documents, takes one of the batch before away, and
// changes one that all batches share.
func writeUntilKilled(t *testing.T, dir string) {
	x, err := embedded.Open(embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(token(t, x))
	for {
		n++
		var docs []search.Document
		for i := range stoa.ID(each) {
			docs = append(docs, doc(stoa.ID(n)*1000+i, fmt.Sprintf("granite batch%d", n)))
		}
		if n > 1 {
			docs = append(docs, search.Document{Kind: "article", ID: stoa.ID(n-1) * 1000, Instance: 1, Gone: true})
		}
		docs = append(docs, doc(1, fmt.Sprintf("shared latest%d", n)))
		apply(t, x, strconv.Itoa(n), docs...)
		fmt.Println(n)
	}
}

// compare opens what a killed process left and gives the batch that it has.
func compare(t *testing.T, dir string, told int) int {
	t.Helper()
	x, err := embedded.Open(embedded.Options{Dir: dir})
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	defer shut(t, x)
	if x.Lost() != nil {
		t.Fatalf("after a kill the index is lost: %v", x.Lost())
	}
	n, _ := strconv.Atoi(token(t, x))
	if n < told {
		t.Fatalf("the token is %d, and batch %d was written", n, told)
	}
	if n == 0 {
		wants(t, x, "", 0)
		return 0
	}
	wants(t, x, "granite", n*each-(n-1))
	wants(t, x, "shared", 1)
	wants(t, x, fmt.Sprintf("latest%d", n), 1)
	wants(t, x, fmt.Sprintf("batch%d", n), each)
	if n > 1 {
		wants(t, x, fmt.Sprintf("batch%d", n-1), each-1)
	}
	wants(t, x, fmt.Sprintf("batch%d", n+1), 0)
	return n
}

// TestKill_WhileReplacing kills a process that puts one index after another in place of itself: one of them is there.
func TestKill_WhileReplacing(t *testing.T) {
	if dir := os.Getenv("STOA_TEST_REPLACED"); dir != "" {
		x, err := embedded.Open(embedded.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for n, _ := strconv.Atoi(token(t, x)); ; {
			n++
			b, err := x.Beside()
			if err != nil {
				t.Fatal(err)
			}
			apply(t, b, strconv.Itoa(n), doc(1, fmt.Sprintf("latest%d", n)))
			if err := x.Replace(b); err != nil {
				t.Fatal(err)
			}
			fmt.Println(n)
		}
	}
	t.Parallel()
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "STOA_TEST_REPLACED="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		told := 0
		for more := 1 + round; more > 0 && lines.Scan(); more-- {
			told, _ = strconv.Atoi(lines.Text())
		}
		kill := time.NewTimer(time.Duration(rand.IntN(15000)) * time.Microsecond)
		<-kill.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		x, err := embedded.Open(embedded.Options{Dir: dir})
		if err != nil || x.Lost() != nil {
			t.Fatalf("after a kill: %v, lost %v", err, x.Lost())
		}
		n, _ := strconv.Atoi(token(t, x))
		if n < told || told == 0 {
			t.Errorf("the token is %d, and the process said %d", n, told)
		}
		wants(t, x, fmt.Sprintf("latest%d", n), 1)
		if list := folders(t, dir); len(list) != 1 {
			t.Errorf("%d folders after it was opened, want 1", len(list))
		}
		shut(t, x)
	}
}
