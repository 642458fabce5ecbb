/** Trees of files: what walks them into a backup, and what lays them down again. */
@NullMarked
package com.thorbis.backup.application.files;

import org.jspecify.annotations.NullMarked;
