package com.thorbis.backup.dr.traffic;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Host and port as they stand in a connection's settings: {@code db1:5432}, {@code [::1]:5432},
 * {@code db1,db2:5432,5433}. Either may be missing, which is kept apart from a default.
 */
record Place(String host, String port) {
  private static final Pattern FORM =
      Pattern.compile(
          "(?:\\[([0-9A-Fa-f:.%]+)]|([A-Za-z0-9._,/@%-]*))(?::([0-9]{1,5}(?:,[0-9]{1,5})*))?");

  static Place parse(String thing, String text) throws SwitchException {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw SwitchException.invalid(
          thing, "\"" + text + "\" is not a place, such as db1:5432 or [::1]:5432");
    }
    String host = form.group(1) == null ? form.group(2) : form.group(1);
    return new Place(host, form.group(3) == null ? "" : form.group(3));
  }

  boolean isEmpty() {
    return host.isEmpty() && port.isEmpty();
  }

  /** The same place, with PostgreSQL's own port where none is said. */
  Place filled() {
    return new Place(host, port.isEmpty() ? "5432" : port);
  }

  @Override
  public String toString() {
    String name = host.contains(":") ? "[" + host + "]" : host;
    return port.isEmpty() ? name : name + ":" + port;
  }
}
