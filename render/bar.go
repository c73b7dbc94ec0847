package render

// Bar is a slim row above the site's header, for people who may edit something there, or beside what is no
// published page. It makes the document one person's: NoStore.
type Bar struct {
	Label string // what it is, for those who hear the page
	Lang  string // the language of its words when it is not that of the page
	Note  string // what is to be said of the page; may be empty
	Links []BarLink
	New   string    // title of the list Make
	Make  []BarLink // what can be made; empty: no such list
	End   []BarLink // at the end of the row
}

// BarLink is a way from the bar.
type BarLink struct {
	Title, URL, Icon string
	Current          bool // it leads to what is shown
}
