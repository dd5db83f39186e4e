"""Who lies in which bed: a small service, which keeps what it knows in SQLite."""

import sqlite3

from flask import Flask, abort, g, jsonify, request

app = Flask(__name__)
DATABASE = "/tmp/beds.sqlite"


def beds():
    if "beds" not in g:
        g.beds = sqlite3.connect(DATABASE, timeout=30)
        g.beds.execute("create table if not exists bed (number integer primary key, patient text not null)")
    return g.beds


@app.teardown_appcontext
def close(_):
    if "beds" in g:
        g.beds.close()


@app.post("/beds/<int:number>")
def occupy(number):
    with beds() as transaction:
        transaction.execute("insert or replace into bed values (?, ?)", (number, request.json["patient"]))
    return "", 204


@app.get("/beds/<int:number>")
def who(number):
    found = beds().execute("select patient from bed where number = ?", (number,)).fetchone()
    return jsonify(patient=found[0]) if found else abort(404)
