package com.thorbis.backup.storage.internal.copies;

class ThreeCopyContractTest extends CopySetContract {
  @Override
  int copies() {
    return 3;
  }
}
