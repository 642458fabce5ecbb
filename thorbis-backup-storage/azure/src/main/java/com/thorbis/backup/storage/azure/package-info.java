/** Objects in a container of Azure Blob Storage. */
@NullMarked
package com.thorbis.backup.storage.azure;

import org.jspecify.annotations.NullMarked;
