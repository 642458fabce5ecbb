/** Objects as files of a folder. */
@NullMarked
package com.thorbis.backup.storage.filesystem;

import org.jspecify.annotations.NullMarked;
