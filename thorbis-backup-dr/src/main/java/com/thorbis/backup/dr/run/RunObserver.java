package com.thorbis.backup.dr.run;

/**
 * Told what runs do, such as to notify people or to keep evidence. One thread calls it, after the
 * fact; a failure is noted in the journal and changes nothing else. What must not be missed is read
 * from the journal itself: a process that dies tells nobody.
 */
@FunctionalInterface
public interface RunObserver {
  /** Told of a record that counts. */
  void happened(JournalRecord record) throws Exception;
}
