package agent

import (
	"bytes"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// output answers with the kept output of a hook's last run, as podhook logs prints it.
func (a *Agent) output(w http.ResponseWriter, req *http.Request) {
	cfg, err := a.Configuration.Get()
	hook := chi.URLParam(req, "name")
	if err == nil {
		_, err = hooks.Find(cfg, hook)
	}
	if err != nil {
		answer(w, hooks.Judge(hooks.Result{}, err).HTTPStatus, problem{cutBody(err.Error())})
		return
	}
	a.reading.Lock()
	rec, found, err := a.Store.Hook(hook).Read()
	var text bytes.Buffer
	if err == nil && found {
		err = a.Store.Hook(hook).ReadOutput(&text, state.AllLines)
	}
	a.reading.Unlock()
	switch {
	case err != nil:
		answer(w, http.StatusInternalServerError, problem{cutBody(err.Error())})
		return
	case !found:
		answer(w, http.StatusNotFound, problem{"hook " + hook + " has not run in this instance"})
		return
	}
	w.Header().Set("Podhook-Run", rec.RunID)
	send(w, http.StatusOK, "text/plain; charset=utf-8", text.Bytes())
}
