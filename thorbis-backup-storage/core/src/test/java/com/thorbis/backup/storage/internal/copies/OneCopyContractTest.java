package com.thorbis.backup.storage.internal.copies;

class OneCopyContractTest extends CopySetContract {
  @Override
  int copies() {
    return 1;
  }
}
