package com.thorbis.backup.dr.simulate;

import java.io.IOException;
import java.nio.file.Path;

/** What backs an application up and lays it down again: what does so in production. */
public interface ApplicationKeeper {
  /**
   * Backs its files up.
   *
   * @param application the folder that they lie in
   * @param work a folder for everything that this keeps
   */
  void backUp(Path application, Path work) throws IOException;

  /**
   * Lays down what the newest backup holds.
   *
   * @param work the folder that {@link #backUp} had
   * @param into a folder that is not there yet
   * @return the folder that the files lie in, at or below it
   */
  Path restore(Path work, Path into) throws IOException;
}
