package admin

import (
	"testing"
	"time"
)

// Clocks of Berlin are set forward on 28 March 2027 at 02:00 and back on 31 October 2027 at 03:00.
func TestLocal_KnowsTheHoursThatAreNoneOrTwo(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for shown, want := range map[string]string{
		"2027-07-01T12:00": "2027-07-01T10:00", "2027-12-01T12:00": "2027-12-01T11:00",
		"2027-03-28T01:59": "2027-03-28T00:59", "2027-03-28T03:00": "2027-03-28T01:00",
		"2027-10-31T02:30": "2027-10-31T00:30", // the first of two
		"2027-10-31T03:00": "2027-10-31T02:00", "2027-10-31T01:59": "2027-10-30T23:59",
	} {
		wall, err := time.Parse(inputTime, shown)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, ok := local(wall, berlin); !ok || got.UTC().Format(inputTime) != want {
			t.Errorf("%s is %s, %t; want %s", shown, got.UTC().Format(inputTime), ok, want)
		}
	}
	f := &Form{Fields: []*Field{{Name: "publish", Value: "2027-03-28T02:30"}}}
	_, err = f.Moment("publish", berlin)
	const want = "publish: clocks in Europe/Berlin jump over 02:30 on 28 March 2027: choose 01:30 or 03:30"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
