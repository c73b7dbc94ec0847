package audit

// scope is what the scope of a change means for a kind.
type scope uint8

const (
	nowhere    scope = iota // the whole installation
	inInstance              // the scope is an instance
	inSite                  // the scope is a site
	isInstance              // the thing itself is an instance
)

// kind is what is known of one kind of change.
type kind struct {
	scope scope
	// unkept says why changes of the kind have no row of their own; empty: they have one. What the domain notes
	// has a row in any case.
	unkept string
}

// kindOf gives what is known of a kind of change. Every kind that a transaction names stands here; a test finds
// those that do not. One that is unknown has rows.
func kindOf(name string) (kind, bool) {
	switch name {
	case "page", "redirect", "menu", "article", "file", "folder", "tag", "category":
		return kind{scope: inSite}, true
	case "user", "usergroup", "role", "grant", "site":
		return kind{scope: inInstance}, true
	case "instance":
		return kind{scope: isInstance}, true
	case "host", "*":
		return kind{}, true
	case "draft", "page-draft":
		return kind{scope: inSite, unkept: "a draft changes nothing that visitors see, and is written with every step " +
			"of the page editor; what is published of it has a row"}, true
	case "article-draft":
		return kind{scope: inSite, unkept: "a draft changes nothing that visitors see; saving it is noted"}, true
	case "article-shown":
		return kind{scope: inSite, unkept: "it goes with a change of the article, which has a row"}, true
	case "trash":
		return kind{scope: inSite, unkept: "it goes with a change of the thing that came into the recycle bin or left it, " +
			"which is noted"}, true
	case "bulk":
		return kind{scope: inSite, unkept: "what is done with each thing is noted, and the begin and the end"}, true
	case "factor":
		return kind{scope: inInstance, unkept: "a code that is used is a sign-in, which is noted; adding and removing a " +
			"way to sign in are noted"}, true
	case "secret":
		return kind{unkept: "keys that sign are made and replaced by the portal itself"}, true
	case "session":
		return kind{scope: inInstance, unkept: "requests move the end of a session on; signing in and out, and ending " +
			"sessions of others, are noted"}, true
	case "lock":
		return kind{scope: inSite, unkept: "a lock is advice and beats while its editor is open; taking one over is " +
			"noted"}, true
	case "job":
		return kind{unkept: "the portal runs jobs by itself; orders for jobs have rows"}, true
	case "job-order":
		return kind{unkept: "each order is noted with the name of its job"}, true
	case "follow":
		return kind{unkept: "each order for a follower is noted with its name"}, true
	case "file-move":
		return kind{unkept: "the commands that begin, finish and cancel a move of the files are noted"}, true
	case "cluster-event":
		return kind{unkept: "an event is a record itself; marking it as read is noted"}, true
	}
	return kind{}, false
}

func kept(name string) bool {
	k, _ := kindOf(name)
	return k.unkept == ""
}

func scopeOf(name string) scope {
	k, _ := kindOf(name)
	return k.scope
}
