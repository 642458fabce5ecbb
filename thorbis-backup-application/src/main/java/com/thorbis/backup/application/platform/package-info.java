/** Places that hold secrets: files, and services that are asked over HTTP. */
@NullMarked
package com.thorbis.backup.application.platform;

import org.jspecify.annotations.NullMarked;
