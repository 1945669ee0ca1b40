// Package dashboard serves the dashboard's single-page app: the files of
// dist, built from web and embedded, so that neither building nor running
// Dunlin needs Node.
//
// It is not the dashboard's listener and knows no route of the API: whoever
// serves it puts the API below /api/ beside it, and the app calls that from
// the browser. DESIGN.md has the rules of the app.
package dashboard
