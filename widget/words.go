package widget

// words are what the default theme and the built-in widgets say, by language.
var words = map[string]map[string]string{
	"de": {
		"Preview": "Vorschau", "Preview of a draft": "Vorschau eines Entwurfs", "As visitors see it": "So sehen es Besucher", "Draft": "Entwurf", "Published": "Veröffentlicht",
		"You are signed out": "Sie sind abgemeldet", "Send again": "Noch einmal senden",
		"What you have written is kept on this page. Leave it open, and send it again in a moment.": "Was Sie geschrieben haben, ist auf dieser Seite erhalten. " +
			"Lassen Sie sie offen und senden Sie es gleich noch einmal.",
		"What you have written is kept on this page. Sign in in another window, then send it again here.": "Was Sie geschrieben haben, ist auf dieser Seite erhalten. " +
			"Melden Sie sich in einem anderen Fenster an und senden Sie es hier noch einmal.",
		"A password is never kept: type it again.": "Ein Passwort wird nie aufbewahrt: Geben Sie es noch einmal ein.",
		"Skip to content":                          "Zum Inhalt", "Menu": "Menü", "More": "Mehr", "Main": "Hauptnavigation", "Search": "Suche", "Language": "Sprache",
		"Colour scheme": "Farbschema", "Sign in": "Anmelden", "Sign out": "Abmelden", "Breadcrumbs": "Brotkrumen", "Home": "Startseite",
		"This part could not be shown.": "Dieser Teil konnte nicht angezeigt werden.", "Newer": "Neuere", "Older": "Ältere", "Pages": "Seiten",
		"Nothing here yet.": "Hier ist noch nichts.", "Password": "Passwort", "Open": "Öffnen",
		"Keep me signed in": "Angemeldet bleiben", "Forgot your password?": "Passwort vergessen?", "Image not available": "Bild nicht verfügbar",
		"This page is protected": "Diese Seite ist geschützt", "This page does not exist": "Diese Seite gibt es nicht",
		"Something went wrong": "Etwas ist schiefgegangen", "Feed": "Feed", "Footer": "Fußzeile",
		"Enter the password to read on.": "Geben Sie das Passwort ein, um weiterzulesen.", "That password is not right.": "Das Passwort stimmt nicht.",
		"Tags": "Schlagwörter", "All pages": "Alle Seiten", "Untitled": "Ohne Titel", "Featured": "Empfohlen",
		"Back": "Zurück", "End": "Beenden",
		"This page is not open to you": "Diese Seite ist für Sie nicht zugänglich", "The portal cannot answer just now": "Das Portal kann gerade nicht antworten",
		"Too many tries": "Zu viele Versuche", "Somebody else was first": "Jemand anderes war schneller", "That was too large": "Das war zu groß",
		"Something in the form is not right": "Im Formular stimmt etwas nicht", "Please sign in": "Bitte anmelden", "Protected": "Geschützt",
		"It may have been moved or taken away, or the address has a typing error.": "Sie wurde verschoben oder entfernt, oder die Adresse enthält einen Tippfehler.",
		"Try again": "Noch einmal versuchen", "Please try again in a moment.": "Bitte versuchen Sie es gleich noch einmal.",
		"Go to the home page": "Zur Startseite", "E-mail address or screen name": "E-Mail-Adresse oder Benutzername", "E-mail address": "E-Mail-Adresse",
		"New password": "Neues Passwort", "Current password": "Bisheriges Passwort", "Once more": "Noch einmal", "Set the password": "Passwort setzen",
		"Set your password": "Passwort festlegen", "Set a new password": "Neues Passwort festlegen", "Change the password": "Passwort ändern",
		"At least %d characters. A few words are easier to keep in mind than one odd one.": "Mindestens %d Zeichen. Ein paar Wörter merkt man sich leichter als ein seltsames.",
		"Send me a link": "Link senden", "Back to sign in": "Zurück zur Anmeldung", "Look into your mail": "Sehen Sie in Ihre E-Mails", "My account": "Mein Konto", "My sessions": "Meine Sitzungen",
		"Browsers in which you are signed in. End those that you do not know.": "Browser, in denen Sie angemeldet sind. Beenden Sie, was Sie nicht kennen.", "This one": "Diese hier",
		"If there is an account with this address, a link is on its way.": "Wenn es ein Konto mit dieser Adresse gibt, ist ein Link unterwegs.",
		"Your password is set. Sign in with it.":                          "Ihr Passwort ist gesetzt. Melden Sie sich damit an.",
		"Your password is changed. Your other sessions have ended.":       "Ihr Passwort ist geändert. Ihre anderen Sitzungen sind beendet.",
		"The two passwords are not the same.":                             "Die beiden Passwörter sind nicht gleich.",
		"The two new passwords are not the same.":                         "Die beiden neuen Passwörter sind nicht gleich.",
	},
	"fr": {
		"Preview": "Aperçu", "Preview of a draft": "Aperçu d’un brouillon", "As visitors see it": "Tel que vu par les visiteurs", "Draft": "Brouillon", "Published": "Publié",
		"You are signed out": "Vous êtes déconnecté", "Send again": "Envoyer à nouveau",
		"What you have written is kept on this page. Leave it open, and send it again in a moment.": "Ce que vous avez écrit est conservé sur cette page. " +
			"Laissez-la ouverte et envoyez-le à nouveau dans un instant.",
		"What you have written is kept on this page. Sign in in another window, then send it again here.": "Ce que vous avez écrit est conservé sur cette page. " +
			"Connectez-vous dans une autre fenêtre, puis envoyez-le à nouveau ici.",
		"A password is never kept: type it again.": "Un mot de passe n’est jamais conservé : saisissez-le à nouveau.",
		"Skip to content":                          "Aller au contenu", "Menu": "Menu", "More": "Plus", "Main": "Navigation principale", "Search": "Rechercher", "Language": "Langue",
		"Sign in": "Se connecter", "Sign out": "Se déconnecter", "Home": "Accueil", "Newer": "Plus récents", "Older": "Plus anciens",
		"Nothing here yet.": "Rien ici pour l’instant.", "Password": "Mot de passe", "Open": "Ouvrir", "This page does not exist": "Cette page n’existe pas",
		"This page is not open to you": "Cette page ne vous est pas accessible", "Something went wrong": "Une erreur est survenue",
		"The portal cannot answer just now": "Le portail ne peut pas répondre pour l’instant", "Go to the home page": "Aller à l’accueil",
		"Try again": "Réessayer", "Please try again in a moment.": "Veuillez réessayer dans un instant.",

		"It may have been moved or taken away, or the address has a typing error.": "Elle a peut-être été déplacée ou retirée, ou l’adresse contient une faute de frappe.",
		"This page is protected": "Cette page est protégée", "Enter the password to read on.": "Saisissez le mot de passe pour lire la suite.", "That password is not right.": "Ce mot de passe n’est pas le bon.",
		"E-mail address or screen name": "Adresse e-mail ou nom d’utilisateur", "Keep me signed in": "Rester connecté", "Forgot your password?": "Mot de passe oublié ?",
		"Tags": "Étiquettes", "All pages": "Toutes les pages", "Untitled": "Sans titre", "Featured": "À la une",
		"Back": "Retour", "Pages": "Pages", "Image not available": "Image indisponible",
	},
	"es": {
		"Preview": "Vista previa", "Preview of a draft": "Vista previa de un borrador", "As visitors see it": "Como lo ven los visitantes", "Draft": "Borrador", "Published": "Publicado",
		"You are signed out": "Se ha cerrado su sesión", "Send again": "Enviar de nuevo",
		"What you have written is kept on this page. Leave it open, and send it again in a moment.": "Lo que ha escrito se conserva en esta página. " +
			"Déjela abierta y envíelo de nuevo en un momento.",
		"What you have written is kept on this page. Sign in in another window, then send it again here.": "Lo que ha escrito se conserva en esta página. " +
			"Inicie sesión en otra ventana y envíelo de nuevo aquí.",
		"A password is never kept: type it again.": "Una contraseña nunca se conserva: escríbala de nuevo.",
		"Skip to content":                          "Saltar al contenido", "Menu": "Menú", "More": "Más", "Main": "Navegación principal", "Search": "Buscar", "Language": "Idioma",
		"Sign in": "Iniciar sesión", "Sign out": "Cerrar sesión", "Home": "Inicio", "Newer": "Más recientes", "Older": "Más antiguos",
		"Nothing here yet.": "Todavía no hay nada.", "Password": "Contraseña", "Open": "Abrir", "This page does not exist": "Esta página no existe",
		"This page is not open to you": "Esta página no está abierta para usted", "Something went wrong": "Algo ha fallado",
		"The portal cannot answer just now": "El portal no puede responder en este momento", "Go to the home page": "Ir a la página de inicio",
		"Try again": "Intentar de nuevo", "Please try again in a moment.": "Inténtelo de nuevo en un momento.",

		"It may have been moved or taken away, or the address has a typing error.": "Puede que se haya movido o retirado, o que la dirección tenga un error.",
		"This page is protected": "Esta página está protegida", "Enter the password to read on.": "Introduzca la contraseña para seguir leyendo.", "That password is not right.": "La contraseña no es correcta.",
		"E-mail address or screen name": "Correo electrónico o nombre de usuario", "Keep me signed in": "Mantener la sesión", "Forgot your password?": "¿Ha olvidado la contraseña?",
		"Tags": "Etiquetas", "All pages": "Todas las páginas", "Untitled": "Sin título", "Featured": "Destacado",
		"Back": "Volver", "Pages": "Páginas", "Image not available": "Imagen no disponible",
	},
}
