package dbcheck

import "testing"

func TestParseGrants_CountsThoseOnTheDatabase(t *testing.T) {
	g := parseGrants([]string{
		"GRANT USAGE ON *.* TO `stoa`@`%` IDENTIFIED BY PASSWORD '*X'",
		"GRANT SELECT, INSERT ON `st\\_oa`.* TO `stoa`@`%`",
		"GRANT UPDATE ON `st%`.* TO `stoa`@`%`",
		"GRANT DELETE ON `other`.* TO `stoa`@`%`",
		"GRANT ALTER ON `st_oa`.`one` TO `stoa`@`%`",
		"GRANT `role` TO `stoa`@`%`",
		"GRANT SUPER, READ_ONLY ADMIN ON *.* TO `stoa`@`%` WITH GRANT OPTION",
	}, "st_oa")
	for p, right := range map[string]bool{"SELECT": true, "INSERT": true, "UPDATE": true, "DELETE": false, "ALTER": false, "SUPER": true, "READ_ONLY ADMIN": true} {
		if g.has(p) != right {
			t.Errorf("%s is granted: %v", p, !right)
		}
	}
	if all := parseGrants([]string{"GRANT ALL PRIVILEGES ON `st_oa`.* TO `a`@`%`"}, "staoa"); !all.has("ALTER") || all.global["ALL PRIVILEGES"] {
		t.Error("_ in a grant stands for any letter")
	}
}

func TestOlder_ComparesNumberByNumber(t *testing.T) {
	for _, c := range []struct {
		version, least string
		older          bool
	}{{"10.5.29", "10.6", true}, {"10.11.19", "10.6", false}, {"5.7.44", "8.0", true}, {"8.0.36", "8.0", false}, {"11.4.2", "10.6", false}, {"10.6", "10.6", false}} {
		if older(c.version, c.least) != c.older {
			t.Errorf("%s is older than %s: %v", c.version, c.least, !c.older)
		}
	}
}
