package user

// Check reports what is wrong with the first administrator before the account is made, as an Invalid error whose
// field is screenName, email, firstName or lastName.
func (o AdminOptions) Check() error {
	u := o.account()
	return u.validate()
}

// account is the account that is made of the options.
func (o AdminOptions) account() User {
	return User{
		ScreenName: o.ScreenName, Email: o.EmailPrefix + "@" + o.MailDomain, FirstName: o.First, LastName: o.Last,
	}
}
