/** What a host calls: the entry point, requests, results and the values of the field. */
@NullMarked
package com.thorbis.backup.api;

import org.jspecify.annotations.NullMarked;
