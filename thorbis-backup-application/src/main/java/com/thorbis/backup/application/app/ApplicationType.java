package com.thorbis.backup.application.app;

import java.util.List;

/** Kinds of application: which components each must name, or say that there is none. */
public enum ApplicationType {
  /** An application on Next.js, on a platform that builds and serves it. */
  NEXTJS("nextjs", "source,configuration,artifacts,deployment,files"),
  /** Files that a web server hands out. */
  STATIC("static", "source,artifacts,files"),
  /** A service. */
  API("api", "source,configuration,artifacts,files");

  /** All there are, in the order in which they are backed up and restored. */
  public static final List<String> COMPONENTS =
      List.of("source", "configuration", "artifacts", "deployment", "files");

  private final String label;
  private final String required;

  ApplicationType(String label, String required) {
    this.label = label;
    this.required = required;
  }

  /** The type of its sources. */
  public String label() {
    return label;
  }

  /** What must be named. */
  public List<String> required() {
    return List.of(required.split(",", -1));
  }
}
