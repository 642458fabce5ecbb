package com.thorbis.backup.application.platform;

import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.spi.SecretValue;
import java.nio.charset.StandardCharsets;

/** A JSON document on its way out, which may hold secrets. Used by one thread. */
final class JsonBody implements AutoCloseable {
  private final ErasableBytes out = new ErasableBytes();
  private boolean first = true;

  /** A document that holds no secret. */
  static JsonBody of(Document document) {
    JsonBody body = new JsonBody();
    byte[] json = document.bytes();
    body.out.write(json, 0, json.length);
    return body;
  }

  JsonBody begin() {
    return open('{');
  }

  JsonBody begin(String name) {
    return name(name).open('{');
  }

  JsonBody end() {
    return close('}');
  }

  JsonBody beginList() {
    return open('[');
  }

  JsonBody beginList(String name) {
    return name(name).open('[');
  }

  JsonBody endList() {
    return close(']');
  }

  JsonBody item(String text) {
    separate();
    out.jsonString(text.getBytes(StandardCharsets.UTF_8));
    return this;
  }

  JsonBody text(String name, String text) {
    name(name);
    return item(text);
  }

  JsonBody number(String name, long number) {
    name(name);
    out.text(Long.toString(number));
    return this;
  }

  JsonBody none(String name) {
    name(name);
    out.text("null");
    return this;
  }

  /** The secret as a string; it is text in UTF-8. */
  JsonBody secret(String name, SecretValue value) {
    name(name);
    int unused =
        value.useBytes(
            utf8 -> {
              out.jsonString(utf8);
              return utf8.length;
            });
    return this;
  }

  /** The secret as a document of its own; it is JSON. */
  JsonBody document(String name, SecretValue value) {
    name(name);
    int unused =
        value.useBytes(
            json -> {
              out.write(json, 0, json.length);
              return json.length;
            });
    return this;
  }

  /** The members of a secret that is a JSON object, among others of the object that is open. */
  JsonBody members(SecretValue value) {
    int unused =
        value.useBytes(
            json -> {
              if (json.length > 2) {
                separate();
                out.write(json, 1, json.length - 2);
              }
              return json.length;
            });
    return this;
  }

  /** The document, which the caller erases. */
  byte[] bytes() {
    return out.toByteArray();
  }

  @Override
  public void close() {
    out.close();
  }

  private JsonBody name(String name) {
    separate();
    out.jsonString(name.getBytes(StandardCharsets.UTF_8));
    out.write(':');
    first = true;
    return this;
  }

  private JsonBody open(char bracket) {
    separate();
    out.write(bracket);
    first = true;
    return this;
  }

  private JsonBody close(char bracket) {
    out.write(bracket);
    first = false;
    return this;
  }

  private void separate() {
    if (!first) {
      out.write(',');
    }
    first = false;
  }
}
