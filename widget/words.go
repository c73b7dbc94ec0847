package widget

// words are what the default theme and the built-in widgets say, by language.
var words = map[string]map[string]string{
	"de": {
		"Skip to content": "Zum Inhalt", "Menu": "Menü", "Main": "Hauptnavigation", "Search": "Suche", "Language": "Sprache",
		"Colour scheme": "Farbschema", "Sign in": "Anmelden", "Sign out": "Abmelden", "Breadcrumbs": "Brotkrumen", "Home": "Startseite",
		"This part could not be shown.": "Dieser Teil konnte nicht angezeigt werden.", "Newer": "Neuere", "Older": "Ältere", "Pages": "Seiten",
		"Nothing here yet.": "Hier ist noch nichts.", "Password": "Passwort", "Open": "Öffnen", "E-mail or screen name": "E-Mail oder Benutzername",
		"Keep me signed in": "Angemeldet bleiben", "Forgot your password?": "Passwort vergessen?", "Image not available": "Bild nicht verfügbar",
		"This page is protected": "Diese Seite ist geschützt", "This page does not exist": "Diese Seite gibt es nicht",
		"You may not see this page": "Sie dürfen diese Seite nicht sehen", "Something went wrong": "Etwas ist schiefgegangen",
		"We will be back shortly": "Wir sind gleich zurück", "To the start page": "Zur Startseite", "Feed": "Feed", "Footer": "Fußzeile",
		"Enter the password to read on.": "Geben Sie das Passwort ein, um weiterzulesen.", "That password is not right.": "Das Passwort stimmt nicht.",
		"by": "von", "Tags": "Schlagwörter", "Updated": "Aktualisiert",
	},
	"fr": {
		"Skip to content": "Aller au contenu", "Menu": "Menu", "Main": "Navigation principale", "Search": "Rechercher", "Language": "Langue",
		"Sign in": "Se connecter", "Sign out": "Se déconnecter", "Home": "Accueil", "Newer": "Plus récents", "Older": "Plus anciens",
		"Nothing here yet.": "Rien ici pour l’instant.", "Password": "Mot de passe", "Open": "Ouvrir", "This page does not exist": "Cette page n’existe pas",
		"You may not see this page": "Vous ne pouvez pas voir cette page", "Something went wrong": "Une erreur est survenue",
		"To the start page": "Vers l’accueil", "by": "par",
	},
	"es": {
		"Skip to content": "Saltar al contenido", "Menu": "Menú", "Main": "Navegación principal", "Search": "Buscar", "Language": "Idioma",
		"Sign in": "Iniciar sesión", "Sign out": "Cerrar sesión", "Home": "Inicio", "Newer": "Más recientes", "Older": "Más antiguos",
		"Nothing here yet.": "Todavía no hay nada.", "Password": "Contraseña", "Open": "Abrir", "This page does not exist": "Esta página no existe",
		"You may not see this page": "No puede ver esta página", "Something went wrong": "Algo ha fallado",
		"To the start page": "A la página de inicio", "by": "por",
	},
}
