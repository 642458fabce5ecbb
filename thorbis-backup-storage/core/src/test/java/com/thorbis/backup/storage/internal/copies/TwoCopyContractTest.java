package com.thorbis.backup.storage.internal.copies;

class TwoCopyContractTest extends CopySetContract {
  @Override
  int copies() {
    return 2;
  }
}
