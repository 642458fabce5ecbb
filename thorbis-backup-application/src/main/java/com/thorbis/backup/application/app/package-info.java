/** Applications: source, configuration, artifacts and what is live, in one backup. */
@NullMarked
package com.thorbis.backup.application.app;

import org.jspecify.annotations.NullMarked;
